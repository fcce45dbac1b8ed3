package parquetcheck

import (
	"bytes"
	"errors"
	"testing"
)

func check(data []byte, table Table) []error {
	return Check(bytes.NewReader(data), int64(len(data)), table)
}

func TestGoodFile(t *testing.T) {
	data := goodFile(t)
	for _, err := range check(data, rowTable) {
		t.Error(err)
	}
}

// violates fails the test unless the file breaks exactly the wanted rule, at least once.
func violates(t *testing.T, data []byte, table Table, rule string) {
	t.Helper()
	found := check(data, table)
	if len(found) == 0 {
		t.Fatalf("no violation, want one of %q", rule)
	}
	for _, err := range found {
		var v *Violation
		if !errors.As(err, &v) || v.Rule != rule {
			t.Errorf("also found %v; want only %q", err, rule)
		}
	}
}

// breaksFirst is violates for files in which one fault leads to others: only the first one found counts.
func breaksFirst(t *testing.T, data []byte, table Table, rule string) {
	t.Helper()
	found := check(data, table)
	if v := (*Violation)(nil); len(found) == 0 || !errors.As(found[0], &v) || v.Rule != rule {
		t.Errorf("found %v, want one of %q first", found, rule)
	}
}
