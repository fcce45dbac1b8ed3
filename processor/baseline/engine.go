package baseline

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// Rule is a rule that learns: with a baseline or with a first_seen block.
type Rule struct {
	ID        string
	StateHash string // names what was learned; another hash begins anew
	Baseline  *Spec
	FirstSeen *FirstSeenSpec
}

// Event is an event that met a rule.
type Event struct {
	ID      string
	Time    time.Time // of the event, not beyond its arrival + 5 min
	Hash    key.Hash  // of its partition key
	Whole   bool      // the hash lies outside of the shard's range: rows belong to the shard as a whole
	Account string
	// Key are the values of Spec.By or of FirstSeenSpec.Fields, in order.
	Key    []string
	Value  string  // of Spec.Field, for Distinct
	Number float64 // of Spec.Field, for Sum
	Failed bool    // the event has an errorCode
	// Raised: the rule's raise_when held, or a first-seen rule fired on the event.
	Raised     bool
	Attributes [NumAttributes]string
	// Context appends what is known of the event to a buffer. It is kept for the
	// newest event of a window, and comes back with its finding; nil: nothing.
	Context func([]byte) []byte
}

// Counts are what happened to the events of a rule since the engine was made.
type Counts struct {
	Events   int64 // counted in a window
	Late     int64 // behind a closed window
	Excluded int64 // in excluded time
	Evicted  int64 // keys that went because there were too many
	Learned  int64 // closed windows
}

// Engine is the baselines and first-seen stores of one shard. One goroutine
// owns it, the one that owns the store.
type Engine struct {
	store *state.Store
	rules map[string]*ruleState
	order []*ruleState // by id
	out   []Finding
	name  []byte            // scratch
	value []byte            // scratch of put
	names map[string]string // of accounts, see place
}

// ruleState is a rule at work.
type ruleState struct {
	Rule
	spec      Spec
	prefix    []byte // of the rest of its rows' keys
	key       []byte // scratch of row
	model     *Model
	cal       *calendar
	gauge     bool    // scored by the gauge model
	threshold float64 // 0: by budget
	lengths   episodeLengths

	keys     map[string]*keyed
	accounts map[place]*account
	windows  map[Window][]*keyed // keys with an open window
	stepping map[*keyed]struct{} // keys that are looked at in each window, also without events
	cooling  map[*keyed]struct{} // keys in the time after an episode
	dirty    []*keyed
	closed   Window // windows before this one are closed
	known    int    // keys with a state
	counts   Counts
	seen     *seenStore
}

// NewEngine returns the engine of rules over a store. Restore has to follow.
func NewEngine(store *state.Store, rules []Rule) (*Engine, error) {
	e := &Engine{store: store, rules: map[string]*ruleState{}, names: map[string]string{}}
	for _, r := range rules {
		rs, err := newRule(r)
		if err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
		if e.rules[r.ID] != nil {
			return nil, fmt.Errorf("rule %s is given twice", r.ID)
		}
		e.rules[r.ID] = rs
		e.order = append(e.order, rs)
	}
	slices.SortFunc(e.order, func(a, b *ruleState) int { return cmp.Compare(a.ID, b.ID) })
	return e, nil
}

func newRule(r Rule) (*ruleState, error) {
	rs := &ruleState{
		Rule: r, keys: map[string]*keyed{}, accounts: map[place]*account{}, windows: map[Window][]*keyed{},
		stepping: map[*keyed]struct{}{}, cooling: map[*keyed]struct{}{},
	}
	rs.prefix = append(key.AppendString(key.AppendString(nil, r.ID), r.StateHash), FormatVersion)
	if r.FirstSeen != nil {
		if r.Baseline != nil {
			return nil, errors.New("either baseline or first_seen")
		}
		rs.seen = newSeen(r.FirstSeen.WithDefaults())
		return rs, r.FirstSeen.Check()
	}
	if r.Baseline == nil {
		return nil, errors.New("neither baseline nor first_seen")
	}
	rs.spec = r.Baseline.WithDefaults()
	m, err := NewModel(rs.spec)
	if err != nil {
		return nil, err
	}
	rs.model, rs.cal, rs.gauge = m, m.cal, rs.spec.Model == GaugeModel
	rs.threshold = rs.spec.Threshold.score()
	rs.lengths = newLengths(rs.spec.Window)
	return rs, nil
}

// score is the threshold as a score; 0 for a budget.
func (t Threshold) score() float64 {
	switch t.Kind {
	case ByProbability:
		return -math.Log10(t.Value)
	case ByBand:
		return -math.Log10(0.5 * math.Erfc(t.Value/math.Sqrt2))
	case ByBudget:
		return 0
	}
	return t.Value
}

// Event takes in an event that met a rule with a baseline. An event of a
// closed window, of excluded time, or without what the statistic counts is
// counted as such and nothing else. A burst is found before its window closes:
// then the start is returned, valid until the next call.
func (e *Engine) Event(ruleID string, ev *Event) ([]Finding, error) {
	e.out = e.out[:0]
	r := e.rules[ruleID]
	if r == nil || r.model == nil {
		return nil, fmt.Errorf("rule %s has no baseline", ruleID)
	}
	if err := e.event(r, ev); err != nil {
		return nil, fmt.Errorf("rule %s: %w", ruleID, err)
	}
	return e.out, nil
}

func (e *Engine) event(r *ruleState, ev *Event) error {
	k, ok := r.cal.windowOf(ev.Time)
	switch {
	case r.spec.Statistic == ErrorCount && !ev.Failed:
		return nil
	case !ok || k < r.closed:
		r.counts.Late++
		return nil
	case r.cal.excluded(k) && !r.cal.exclude.alerts(int64(k)):
		r.counts.Excluded++
		return nil
	}
	r.counts.Events++
	x := e.keyOf(r, ev)
	w := x.window(k)
	if w == nil {
		w = r.openWindow(x, k)
	}
	w.take(r, ev)
	return e.grown(r, x, w, ev)
}

// keyOf returns the key of an event, in memory or made anew.
func (e *Engine) keyOf(r *ruleState, ev *Event) *keyed {
	e.name = appendID(e.name[:0], ev)
	if x := r.keys[string(e.name)]; x != nil {
		return x
	}
	values := make([]string, len(ev.Key))
	for i, v := range ev.Key {
		values[i] = strings.Clone(bounded(v))
	}
	x := &keyed{id: string(e.name), account: r.account(e.place(ev)), values: values}
	r.keys[x.id] = x
	return x
}

// grown follows an open window that grew: one that passed the next step of
// the grid is judged, one above the usual is attributed.
func (e *Engine) grown(r *ruleState, x *keyed, w *openWindow, ev *Event) error {
	r.touched(x)
	if r.gauge {
		return nil
	}
	y := w.value(r)
	if w.hot == nil && y >= w.hotAt {
		if err := e.load(r, x); err != nil {
			return err
		}
		if q := float64(x.state.Short.Q); float64(y) > q {
			w.hot = &hot{}
		} else {
			w.hotAt = uint32(q) + 1
		}
	}
	if w.hot != nil {
		w.hot.add(ev)
	}
	if y < w.next || r.cal.excluded(w.k) {
		return nil
	}
	if err := e.load(r, x); err != nil {
		return err
	}
	e.grow(r, x, w)
	return nil
}

// Advance moves the watermark: windows that end at or before it close, in
// order of time and in each window by key. It returns what was found, in an
// order that depends on nothing else. The findings are valid until the next
// call.
func (e *Engine) Advance(watermark time.Time) ([]Finding, error) {
	e.out = e.out[:0]
	for _, r := range e.order {
		if r.model == nil {
			if err := e.expire(r, watermark); err != nil {
				return nil, err
			}
			continue
		}
		if err := e.advance(r, watermark); err != nil {
			return nil, fmt.Errorf("rule %s: %w", r.ID, err)
		}
	}
	return e.out, nil
}

func (e *Engine) advance(r *ruleState, watermark time.Time) error {
	target, ok := r.cal.windowOf(watermark)
	if !ok || target <= r.closed {
		return nil
	}
	for {
		k, ok := r.next()
		if !ok || k >= target {
			break
		}
		if err := e.closeWindow(r, k); err != nil {
			return err
		}
		r.closed = k + 1
	}
	r.closed = target
	e.cool(r)
	return e.evict(r)
}

// next is the next window in which something closes.
func (r *ruleState) next() (k Window, ok bool) {
	if len(r.stepping) > 0 {
		return r.closed, true
	}
	k = math.MaxUint32
	for open := range r.windows {
		k = min(k, open)
	}
	return k, len(r.windows) > 0
}

// Counts are the counts of a rule.
func (e *Engine) Counts(ruleID string) Counts {
	if r := e.rules[ruleID]; r != nil {
		return r.counts
	}
	return Counts{}
}
