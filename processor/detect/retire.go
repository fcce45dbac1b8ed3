package detect

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/window"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

const (
	// keepRetired is how long the state of a rule that is not loaded any more
	// stays, in event time: for a roll-back, and while workers with two versions
	// of the rules share the shards.
	keepRetired = 24 * time.Hour
	// maxSwept bounds the rows of windows and baselines that one step of the
	// watermark removes, so that no step takes long; the next one goes on. Rows of
	// open findings are few and go at once.
	maxSwept = 50_000
)

// retired keeps account of the state of rules that are not loaded any more, in
// this version or at all, and removes it after a day. Since when a rule is gone
// stands in rows of type key.Retired, so that it does not depend on restarts.
//
// State belongs to an owner, which is a part of its key: the type of the row,
// the rule, its version and, of baselines, their format. Open findings about
// resources belong to the rule, whatever its version.
type retired struct {
	store  *state.Store
	loaded map[string]bool  // owners
	since  map[string]int64 // owners that are gone; unix seconds
	due    int64            // when the first of them is to be removed
	now    int64            // the watermark; noTime before the first
	swept  int64            // rows that were removed
}

const noTime = math.MinInt64

func newRetired(store *state.Store, watermark time.Time) *retired {
	g := &retired{store: store, loaded: map[string]bool{}, since: map[string]int64{}, due: math.MaxInt64, now: noTime}
	if !watermark.IsZero() {
		g.now = watermark.Unix()
	}
	return g
}

func owner(kind byte, words ...string) []byte {
	o := []byte{kind}
	for _, w := range words {
		o = key.AppendString(o, w)
	}
	return o
}

// keep names the owners of a set of rules.
func (g *retired) keep(set *rule.Set, specs []window.Spec, holds []window.Hold) {
	for i := range specs {
		g.loaded[string(owner(key.Aggregate, specs[i].ID, specs[i].Version))] = true
	}
	for _, h := range holds {
		g.loaded[string(owner(key.Aggregate, h.Rule, h.Version))] = true
	}
	for _, r := range set.Rules() {
		switch {
		case r.Baseline != nil || r.FirstSeen != nil:
			g.loaded[string(append(owner(key.Baseline, r.ID, r.Version), baseline.FormatVersion))] = true
		case r.Kind == rule.KindResource:
			g.loaded[string(owner(key.Finding, r.ID))] = true
		}
	}
}

// ownerOf is the owner in the key of a row of a window or a baseline. It aliases
// the key.
func ownerOf(row []byte) ([]byte, error) {
	parts, err := key.Parse(row)
	if err != nil {
		return nil, err
	}
	_, rest, err := key.TakeString(parts.Rest)
	if err == nil {
		_, rest, err = key.TakeString(rest)
	}
	if err == nil && parts.Kind == key.Baseline {
		if len(rest) == 0 {
			return nil, fmt.Errorf("state row %q has no format", row)
		}
		rest = rest[1:]
	}
	if err != nil {
		return nil, fmt.Errorf("state row %q: %w", row, err)
	}
	from := len(row) - len(parts.Rest) - 1
	return row[from : len(row)-len(rest)], nil
}

// open reads which rules are known to be gone, and forgets that of those which
// are back.
func (g *retired) open() error {
	for row, err := range g.store.Range(key.Whole(key.Retired)) {
		if err != nil {
			return fmt.Errorf("read which rules are gone: %w", err)
		}
		parts, err := key.Parse(row.Key)
		if err != nil {
			return err
		}
		if who := string(parts.Rest); g.loaded[who] || len(row.Value) != 8 {
			g.store.Delete(row.Key)
		} else {
			g.expect(who, int64(binary.BigEndian.Uint64(row.Value)))
		}
	}
	return g.findings()
}

// findings looks for rules that are gone among those with open findings.
func (g *retired) findings() error {
	return g.eachFindings(func(_ []byte, list []open) error {
		for _, o := range list {
			if who := owner(key.Finding, o.Rule); !g.loaded[string(who)] {
				g.miss(who)
			}
		}
		return nil
	})
}

// eachFindings goes through the rows of open findings.
func (g *retired) eachFindings(do func(k []byte, list []open) error) error {
	for _, rows := range [...]func(func(state.Row, error) bool){g.store.RangeTypes(key.Finding, key.Finding), g.store.Range(key.Whole(key.Finding))} {
		for row, err := range rows {
			var list []open
			if err == nil {
				err = json.Unmarshal(row.Value, &list)
			}
			if err == nil {
				err = do(row.Key, list)
			}
			if err != nil {
				return fmt.Errorf("read open findings: %w", err)
			}
		}
	}
	return nil
}

// gone tells whether a row belongs to a rule that is not loaded, and notes it.
func (g *retired) gone(row []byte) (bool, error) {
	who, err := ownerOf(row)
	if err != nil || g.loaded[string(who)] {
		return false, err
	}
	g.miss(who)
	return true, nil
}

// miss notes that the rule of an owner is gone, from now on if that is news.
func (g *retired) miss(who []byte) {
	if _, known := g.since[string(who)]; known || g.now == noTime {
		return
	}
	g.store.Put(key.Whole(key.Retired, who), binary.BigEndian.AppendUint64(nil, uint64(g.now)))
	g.expect(string(who), g.now)
}

func (g *retired) expect(who string, since int64) {
	g.since[who] = since
	g.due = min(g.due, since+int64(keepRetired/time.Second))
}

// advance removes what is due.
func (g *retired) advance(watermark time.Time) error {
	g.now = watermark.Unix()
	if g.now < g.due {
		return nil
	}
	over := map[string]bool{}
	for who, since := range g.since {
		over[who] = since+int64(keepRetired/time.Second) <= g.now
	}
	if n, err := g.sweep(over); err != nil || n == maxSwept {
		return err // the next step goes on
	}
	g.due = math.MaxInt64
	for who, since := range g.since {
		if over[who] {
			g.store.Delete(key.Whole(key.Retired, []byte(who)))
			delete(g.since, who)
		} else {
			g.expect(who, since)
		}
	}
	return nil
}

// sweep removes rows of owners that are over, and counts them.
func (g *retired) sweep(over map[string]bool) (n int, err error) {
	for _, rows := range [...]func(func(state.Row, error) bool){g.store.RangeTypes(key.Aggregate, key.Baseline),
		g.store.Range(key.Whole(key.Aggregate)), g.store.Range(key.Whole(key.Baseline))} {
		for row, err := range rows {
			if err != nil {
				return n, fmt.Errorf("remove the state of rules that are gone: %w", err)
			}
			who, err := ownerOf(row.Key)
			if err != nil {
				return n, err
			}
			if !over[string(who)] {
				continue
			}
			g.store.Delete(row.Key)
			g.swept++
			if n++; n == maxSwept {
				return n, nil
			}
		}
	}
	return n, g.sweepFindings(over)
}

// sweepFindings removes the open findings of rules that are over.
func (g *retired) sweepFindings(over map[string]bool) error {
	return g.eachFindings(func(k []byte, list []open) error {
		left := slices.DeleteFunc(slices.Clone(list), func(o open) bool { return over[string(owner(key.Finding, o.Rule))] })
		switch {
		case len(left) == len(list):
			return nil
		case len(left) == 0:
			g.store.Delete(k)
			g.swept++
			return nil
		}
		data, err := json.Marshal(left)
		g.store.Put(k, data)
		return err
	})
}
