package baseline

import (
	"testing"
	"time"

	"github.com/cairnstream/cairn/state/key"
)

// TestOtherRowsAreLeftAlone: rows of other rules, of the same rule with another
// state hash or format, and of other types are none of an engine's business.
func TestOtherRowsAreLeftAlone(t *testing.T) {
	store := openStore(t)
	f := &feeder{t: t, e: openEngine(t, store, time.Time{}, counting(nil))}
	f.events(monday, "ann", 3)
	if err := f.e.Flush(); err != nil {
		t.Fatal(err)
	}
	rows := store.RowCount()
	if rows != 1 {
		t.Fatalf("%d rows of one open window", rows)
	}
	store.Put(key.Keyed(key.HashOf("x"), key.Inventory, []byte("anything")), []byte("x"))
	changed := counting(nil)
	changed.StateHash = "h2"
	for name, rules := range map[string][]Rule{"none": nil, "another state hash": {changed}} {
		e := openEngine(t, store, monday, rules...)
		found, err := e.Advance(monday.AddDate(0, 0, 1))
		if err != nil || len(found) != 0 {
			t.Errorf("%s: %v, %v", name, found, err)
		}
		if err := e.Flush(); err != nil || store.RowCount() != rows+1 {
			t.Errorf("%s: %d rows, %v", name, store.RowCount(), err)
		}
	}
	e := openEngine(t, store, monday, counting(nil))
	if len(e.order[0].keys) != 1 {
		t.Error("the open window was not taken up")
	}
	if _, err := e.Advance(monday.AddDate(0, 0, 1)); err != nil {
		t.Fatal(err)
	}
	if e.Counts("r").Learned != 1 {
		t.Error("the open window was not learned")
	}
}

// TestDamagedRowsAreErrors: a row that is not what was written stops the shard
// and is not passed over.
func TestDamagedRowsAreErrors(t *testing.T) {
	store := openStore(t)
	f := &feeder{t: t, e: openEngine(t, store, time.Time{}, counting(nil))}
	f.events(monday, "ann", 3)
	f.advance(monday.Add(window))
	f.events(monday.Add(window), "ann", 300)
	if err := f.e.Flush(); err != nil {
		t.Fatal(err)
	}
	for row, err := range store.Range([]byte{key.SpaceKeyed}) {
		if err != nil {
			t.Fatal(err)
		}
		k, v := append([]byte{}, row.Key...), append([]byte{}, row.Value...)
		store.Put(k, v[:len(v)-1])
		e, err := NewEngine(store, []Rule{counting(nil)})
		if err != nil {
			t.Fatal(err)
		}
		err = e.Restore(monday.Add(window))
		if err == nil {
			_, err = e.Advance(monday.AddDate(0, 0, 1))
		}
		if err == nil {
			t.Errorf("row %q without its last byte was taken", k)
		}
		store.Put(k, v)
	}
}
