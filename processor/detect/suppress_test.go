package detect

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestAFailureHidesNoSuccess, whichever comes first, unless the rule says by
// what findings are held back.
func TestAFailureHidesNoSuccess(t *testing.T) {
	const refused = `,"errorCode":"AccessDenied"`
	for suppress, want := range map[string][]string{
		"": {"a start medium", "a start medium", "a start medium held", "a start medium held"},
		"cairn: {suppress: {for: 1h, by: [actor.root]}}\n": {"a start medium", "a start medium held", "a start medium held", "a start medium held"},
	} {
		s := newStream(t, small("a", "A")+suppress)
		for _, ending := range []string{refused, "", refused, ""} {
			s.event(ann + ending)
			s.now = s.now.Add(time.Minute)
		}
		if diff := cmp.Diff(want, s.steps()); diff != "" {
			t.Errorf("%q: %s", suppress, diff)
		}
	}
}

// TestWhatWasHeldByOtherFieldsIsForgotten: rows of the fields that a rule held
// back by before are read and expire, but hold nothing back any more.
func TestWhatWasHeldByOtherFieldsIsForgotten(t *testing.T) {
	s := newStream(t, small("a", "A")+"cairn: {suppress: {for: 1h, by: [actor.root]}}\n")
	s.event(ann)
	if err := s.detector.Flush(); err != nil {
		t.Fatal(err)
	}
	s.set = load(t, small("a", "A"))
	s.open()
	s.event(ann)
	s.event(ann)
	if diff := cmp.Diff([]string{"a start medium", "a start medium", "a start medium held"}, s.steps()); diff != "" {
		t.Error(diff)
	}
	if got := s.rows()["A"]; got != 2 {
		t.Errorf("%d rows before they expire, want 2", got)
	}
	s.advance(30 * time.Hour)
	if got := s.rows()["A"]; got != 0 {
		t.Errorf("%d rows have not expired", got)
	}
}
