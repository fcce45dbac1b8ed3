package processor

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/cairnstream/cairn/state/key"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestDedupKnowsAnEventInItsOwnHour(t *testing.T) {
	d := newDedup()
	const id = "6f1f9d4c-2a36-4c0e-9a53-0d8a6f6c1a01"
	if d.seen(id, noon, noon) {
		t.Error("a first delivery was taken for a duplicate")
	}
	if !d.seen(id, noon, noon.Add(25*time.Hour)) {
		t.Error("a delivery 25 hours later was not known again")
	}
	if d.seen(id, noon, noon.Add(27*time.Hour)) {
		t.Error("an event behind the horizon was called a duplicate: its hour may be gone")
	}
}

func TestDedupExpiresWholeHoursOnly(t *testing.T) {
	d := newDedup()
	d.seen("a", noon, noon)
	d.expire(noon.Add(horizon + 59*time.Minute))
	if len(d.hours) != 1 {
		t.Error("an hour that reaches into the horizon was forgotten")
	}
	d.expire(noon.Add(horizon + time.Hour))
	if len(d.hours) != 0 {
		t.Error("an hour behind the horizon was kept")
	}
}

// TestDedupRestores: a set made of the rows of all commits answers as the one
// that made them.
func TestDedupRestores(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d, restored := newDedup(), newDedup()
		n := rapid.IntRange(1, 60).Draw(t, "events")
		for i := range n {
			id := fmt.Sprint(rapid.IntRange(0, 30).Draw(t, "id"))
			at := noon.Add(time.Duration(rapid.IntRange(0, 5).Draw(t, "hour")) * time.Hour)
			d.seen(id, at, noon)
			if i%7 == 0 {
				restore(t, d, restored)
			}
		}
		restore(t, d, restored)
		for i := range 31 {
			for h := range 6 {
				at := noon.Add(time.Duration(h) * time.Hour)
				if id := fmt.Sprint(i); d.seen(id, at, noon) != restored.seen(id, at, noon) {
					t.Fatalf("id %s at hour %d differs after a restore", id, h)
				}
			}
		}
	})
}

func restore(t *rapid.T, from, to *dedup) {
	rows := from.take()
	if !slices.IsSortedFunc(rows, func(a, b idRow) int { return bytes.Compare(a[:], b[:]) }) {
		t.Fatal("rows are not in key order")
	}
	for _, row := range rows {
		if err := to.load(row[:], noon); err != nil {
			t.Fatal(err)
		}
	}
}

func BenchmarkDedup(b *testing.B) {
	ids := make([]string, 1<<16)
	for i := range ids {
		ids[i] = fmt.Sprintf("6f1f9d4c-2a36-4c0e-9a53-%012x", i)
	}
	d := newDedup()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		d.seen(ids[i&0xffff], noon.Add(time.Duration(i>>16)*time.Hour), noon)
	}
}

// TestRowsOfIDsAreInKeyOrder: segments need the order of bytes.
func TestRowsOfIDsAreInKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		row := rapid.Custom(func(t *rapid.T) idRow {
			var id key.EventID
			copy(id[:], rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x7f, 0x80, 0xff}), 16, 16).Draw(t, "id"))
			return idRow(key.DedupRow(rapid.Int64Range(-2, 2).Draw(t, "hour"), id))
		})
		a, b := row.Draw(t, "a"), row.Draw(t, "b")
		if got, want := compareRows(a, b), bytes.Compare(a[:], b[:]); got != want {
			t.Fatalf("%x against %x: %d, want %d", a, b, got, want)
		}
	})
}
