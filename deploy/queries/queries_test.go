package queries

import (
	"strings"
	"testing"
)

// The statements themselves run in the tests of export/athena.
func TestAllInTheOrderOfTheirNumbers(t *testing.T) {
	all, err := All()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 18 {
		t.Fatalf("%d queries, want 18", len(all))
	}
	names := map[string]bool{}
	for _, q := range all {
		if q.Title == "" || names[q.Name] || strings.HasSuffix(q.SQL, ";") || !strings.Contains(q.SQL, "cairn.") {
			t.Errorf("query %q (%s) is incomplete: %q", q.Name, q.Title, q.SQL)
		}
		names[q.Name] = true
	}
	if all[0].Name != "who-did-what" || all[17].Name != "identity-chain" {
		t.Errorf("first and last are %s and %s", all[0].Name, all[17].Name)
	}
}

func TestParseRefuses(t *testing.T) {
	for file, text := range map[string]string{
		"01-a.sql": "SELECT 1\n", // no title
		"02.sql":   "-- Title\nSELECT 1\n",
		"03-c.sql": "-- Title",
	} {
		if q, err := parse(file, text); err == nil {
			t.Errorf("%s gave %+v", file, q)
		}
	}
}
