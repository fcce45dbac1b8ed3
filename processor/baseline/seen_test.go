package baseline

import (
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

func firstSeen(fields int) Rule {
	s := &FirstSeenSpec{Fields: []string{"a", "b", "c"}[:fields]}
	return Rule{ID: "r", StateHash: "h", FirstSeen: s}
}

// looker sends events to a first-seen rule.
type looker struct {
	t testing.TB
	e *Engine
	n int
}

func newLooker(t testing.TB, store *state.Store, fields int) *looker {
	return &looker{t: t, e: openEngine(t, store, monday, firstSeen(fields))}
}

var acct = &Event{Hash: key.HashOf("111122223333"), Account: "111122223333"}

func (l *looker) ready() *looker {
	l.t.Helper()
	if err := l.e.Preload("r", acct, nil, Mark{}); err != nil {
		l.t.Fatal(err)
	}
	return l
}

func (l *looker) see(day int, values ...string) *News {
	l.t.Helper()
	l.n++
	ev := &Event{ID: fmt.Sprint("e", l.n), Time: monday.AddDate(0, 0, day).Add(time.Hour), Hash: acct.Hash, Account: acct.Account, Key: values}
	news, err := l.e.FirstSeen("r", ev)
	if err != nil {
		l.t.Fatal(err)
	}
	return news
}

func TestFirstSeen(t *testing.T) {
	l := newLooker(t, openStore(t), 2).ready()
	for _, c := range []struct {
		day    int
		who    string
		region string
		want   string // new for whom, "" no news
	}{
		{0, "ann", "eu-west-1", ""}, // the parent is unknown: it learns
		{1, "ann", "us-east-1", ""}, // known for a day only
		{8, "ann", "eu-west-1", ""}, // known
		{8, "ann", "ap-south-1", "account"},
		{8, "ann", "ap-south-1", ""},        // once
		{8, "bob", "eu-west-1", ""},         // bob is new, and learns
		{16, "bob", "eu-west-1", ""},        // known
		{16, "bob", "ap-south-1", "parent"}, // ann has it
		{35, "ann", "eu-west-1", ""},
		{40, "ann", "us-east-1", "account"}, // 39 days ago is forgotten, nobody else has it
		{38, "bob", "ap-south-1", ""},       // 22 days ago is not
	} {
		news := l.see(c.day, c.who, c.region)
		got := ""
		if news != nil {
			got = news.NewFor
		}
		if got != c.want {
			t.Errorf("day %d, %s in %s: %q, want %q", c.day, c.who, c.region, got, c.want)
		}
	}
}

func TestNewsSaysForWhom(t *testing.T) {
	l := newLooker(t, openStore(t), 3).ready()
	l.see(0, "ann", "ec2", "eu-west-1")
	l.see(9, "ann", "ec2", "eu-west-1")
	l.see(9, "bob", "ec2", "ap-south-1")
	l.see(9, "eve", "s3", "ap-south-1")
	news := l.see(10, "ann", "ec2", "ap-south-1")
	if news == nil || news.Others != 2 || news.NewFor != "parent" || !news.ParentSince.Equal(monday) || news.EventID != "e5" || len(news.ID) != 32 {
		t.Fatalf("%+v", news)
	}
	want := map[string]string{"new_for": "parent", "other_parents": "2", "parent_since": "2026-01-05"}
	if diff := cmp.Diff(want, news.Fields()); diff != "" {
		t.Error(diff)
	}
}

// TestOneFieldHasTheAccountAsParent: the region of the bundled rule.
func TestOneFieldHasTheAccountAsParent(t *testing.T) {
	l := newLooker(t, openStore(t), 1).ready()
	if l.see(0, "eu-west-1") != nil || l.see(3, "us-east-1") != nil {
		t.Error("an account that is known for three days alerts")
	}
	if news := l.see(7, "ap-south-1"); news == nil || news.NewFor != "account" {
		t.Errorf("a new region of a known account: %+v", news)
	}
}

// TestLearningUntilPreloaded: without its history a rule records and is silent;
// what it recorded counts, and so does the past.
func TestLearningUntilPreloaded(t *testing.T) {
	l := newLooker(t, openStore(t), 2)
	l.see(0, "ann", "eu-west-1")
	if l.see(9, "ann", "ap-south-1") != nil {
		t.Error("it alerts before it is preloaded")
	}
	if learning, err := l.e.Learning("r", acct); err != nil || !learning {
		t.Errorf("learning %v, %v", learning, err)
	}
	past := func(yield func(Past, error) bool) {
		_ = yield(Past{monday.AddDate(0, 0, -20), []string{"bob", "eu-north-1"}}, nil) && yield(Past{monday.AddDate(0, 0, 2), []string{"ann", "eu-north-1"}}, nil)
	}
	if err := l.e.Preload("r", acct, past, Mark{Files: 1, Rows: 2}); err != nil {
		t.Fatal(err)
	}
	for _, known := range [][]string{{"bob", "eu-north-1"}, {"ann", "eu-north-1"}, {"ann", "ap-south-1"}} {
		if news := l.see(9, known...); news != nil {
			t.Errorf("%v is known: %+v", known, news)
		}
	}
	if news := l.see(9, "bob", "ap-south-1"); news == nil { // known since twenty days before
		t.Error("the parent of the past is not known")
	}
	broken := iter.Seq2[Past, error](func(yield func(Past, error) bool) { yield(Past{}, errors.New("no lake")) })
	if err := l.e.Preload("r", acct, broken, Mark{}); err == nil {
		t.Error("a broken history was taken")
	}
	if err := newLooker(t, l.e.store, 2).e.Restore(monday); err != nil {
		t.Fatal(err)
	}
	if learning, err := newLooker(t, l.e.store, 2).e.Learning("r", acct); err != nil || learning {
		t.Errorf("after a restart: learning %v, %v", learning, err)
	}
}

// TestSeenIsExact compares with a map over any events, restarts and sweeps.
func TestSeenIsExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := openStore(t)
		l := newLooker(t, store, 2).ready()
		type span struct{ first, last int }
		pairs, parents := map[string]span{}, map[string]span{}
		day := 0
		for range rapid.IntRange(1, 60).Draw(rt, "events") {
			day += rapid.SampledFrom([]int{0, 0, 1, 2, 11}).Draw(rt, "days")
			who, what := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "who"), rapid.SampledFrom([]string{"x", "y", "z", "xy"}).Draw(rt, "what")
			meet := func(m map[string]span, k string) (span, bool) {
				s, ok := m[k]
				ok = ok && day-s.last <= 30
				if ok {
					m[k] = span{s.first, day}
				} else {
					m[k] = span{day, day}
				}
				return s, ok
			}
			parent, known := meet(parents, who)
			_, seen := meet(pairs, who+"/"+what)
			want := known && day-parent.first >= 7 && !seen
			if got := l.see(day, who, what) != nil; got != want {
				rt.Fatalf("day %d, %s %s: news %v, want %v", day, who, what, got, want)
			}
			if rapid.IntRange(0, 5).Draw(rt, "restart") == 0 {
				w := monday.AddDate(0, 0, day)
				if _, err := l.e.Advance(w); err != nil {
					rt.Fatal(err)
				}
				l.e = openEngine(t, store, w, firstSeen(2))
			}
		}
	})
}

// TestOldRowsGo: a day after the history is over, their rows are gone.
func TestOldRowsGo(t *testing.T) {
	store := openStore(t)
	l := newLooker(t, store, 2).ready()
	for i := range 200 {
		l.see(0, "ann", fmt.Sprint(i))
	}
	rows := func() int64 { return store.RowCount() }
	full := rows()
	for d := range 34 {
		if _, err := l.e.Advance(monday.AddDate(0, 0, d)); err != nil {
			t.Fatal(err)
		}
		if d == 30 && rows() != full {
			t.Errorf("%d of %d rows on day 30", rows(), full)
		}
	}
	if rows() != 1 { // the mark
		t.Errorf("%d rows are left, want the mark alone", rows())
	}
}

// TestAccountsAreApart: what one account knows is new to another.
func TestAccountsAreApart(t *testing.T) {
	l := newLooker(t, openStore(t), 1).ready()
	l.see(0, "eu-west-1")
	other := &Event{ID: "o", Time: monday.AddDate(0, 0, 9), Hash: key.HashOf("444455556666"), Account: "444455556666", Key: []string{"eu-west-1"}}
	if learning, _ := l.e.Learning("r", other); !learning {
		t.Error("the other account is preloaded")
	}
	if news, err := l.e.FirstSeen("r", other); err != nil || news != nil {
		t.Errorf("%+v, %v: the other account is unknown and learns", news, err)
	}
}

func TestWrongUse(t *testing.T) {
	l := newLooker(t, openStore(t), 2)
	if _, err := l.e.FirstSeen("r", &Event{Key: []string{"one"}}); err == nil {
		t.Error("one value for two fields was taken")
	}
	if _, err := l.e.Event("r", &Event{}); err == nil {
		t.Error("a first-seen rule counted")
	}
	if _, err := l.e.FirstSeen("nobody", &Event{}); err == nil {
		t.Error("an unknown rule was taken")
	}
	for _, rules := range [][]Rule{{{ID: "x"}}, {counting(nil), counting(nil)}, {{ID: "x", Baseline: &Spec{}}}, {{ID: "x", Baseline: &Spec{By: []string{"a"}}, FirstSeen: &FirstSeenSpec{Fields: []string{"a"}}}}} {
		if _, err := NewEngine(openStore(t), rules); err == nil {
			t.Errorf("%+v was taken", rules)
		}
	}
}
