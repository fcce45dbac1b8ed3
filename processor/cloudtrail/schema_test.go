package cloudtrail

import (
	"strings"
	"testing"
)

func TestPathsAndFieldsAreOneToOne(t *testing.T) {
	for f := range NumFields {
		if got, ok := FieldByPath(f.Path()); f.Path() == "" || !ok || got != f {
			t.Errorf("FieldByPath(%q) = %d, %v, want %d", f.Path(), got, ok, f)
		}
	}
	for b := range NumBlobs {
		if got, ok := BlobByPath(b.Path()); b.Path() == "" || !ok || got != b {
			t.Errorf("BlobByPath(%q) = %d, %v, want %d", b.Path(), got, ok, b)
		}
	}
	if _, ok := FieldByPath("useridentity.type"); ok {
		t.Error("the case of a path does not count")
	}
	if NumFields.Path() != "" || NumBlobs.Path() != "" {
		t.Error("the number of fields or blobs has a path")
	}
}

// The schema finds each path by its steps, and nothing in other case.
func TestSchemaHoldsEachPath(t *testing.T) {
	ids := map[int]string{}
	for f := range NumFields {
		e := walk(f.Path())
		if e == nil || e.field != int(f) || e.child != nil {
			t.Errorf("%s leads to %+v", f, e)
		}
		ids[e.id] = f.Path()
	}
	for b := range NumBlobs {
		if e := walk(b.Path()); e == nil || e.blob != int(b) || e.field >= 0 {
			t.Errorf("%s leads to %+v", b, e)
		}
	}
	if len(ids) != int(NumFields) {
		t.Errorf("%d ids for %d fields", len(ids), NumFields)
	}
	for id, path := range ids {
		if id >= numEntries {
			t.Errorf("%s has the id %d, the set of members seen ends at %d", path, id, numEntries)
		}
	}
	if e := root.find([]byte("EventName")); e != nil {
		t.Errorf("EventName leads to %s", e.name)
	}
}

func walk(path string) (e *entry) {
	n := root
	for name := range strings.SplitSeq(path, ".") {
		if n == nil {
			return nil
		}
		if e = n.find([]byte(name)); e == nil {
			return nil
		}
		n = e.child
	}
	return e
}
