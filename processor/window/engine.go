package window

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// Options of an Engine.
type Options struct {
	// Lateness is how far the watermark lies behind the newest arrival. A rule
	// with another lateness closes that much later or earlier.
	Lateness time.Duration
	// Holds are the suppressions of rules over single events, for Held.
	Holds []Hold
	// CacheBytes bounds the groups that stay in memory between two flushes; 0
	// means 64 MiB. Others are read from the store when they are needed.
	CacheBytes int64
}

// Event is an event that met rules.
type Event struct {
	ID      string
	Time    time.Time // of the event, not beyond its arrival + 5 min
	Hash    key.Hash  // of its partition key
	Account string
	Matched []string // ids of the rules over single events that it met
	// Field returns the text of a path, false when it is absent.
	Field func(path string) (string, bool)
	// Values, if set, returns all texts of a path that leads through an array;
	// it is asked for grouping fields in place of Field.
	Values func(path string) []string
	// Context, if set, tells what is known of the event. It is kept for what is
	// decided at the close, and comes back with the firing that this event
	// triggers, so it should be short, and hang on nothing larger. It is asked for
	// when it is needed only.
	Context func() string

	own string // ID, free of the buffer that it came in
}

func (ev *Event) ownID() string {
	if ev.own == "" {
		ev.own = strings.Clone(ev.ID)
	}
	return ev.own
}

func (ev *Event) context() string {
	if ev.Context == nil {
		return ""
	}
	return ev.Context()
}

// Engine is the correlations of one shard. One goroutine owns it.
type Engine struct {
	store *state.Store
	rules []*rule // inner correlations before the outer ones that refer to them
	by    map[string][]member
	holds map[string]*holder
	// By the beginning of their rows' keys.
	ruleOf   map[string]*rule
	holderOf map[string]*holder
	queue    schedule
	now      int64 // the watermark in seconds, on its way through what is due
	cache    int64
	out      []Firing
	dirty    []*group
	changed  []*held
	hits     []member // scratch
	lend     []*hit   // scratch of matches, of which lent are in use
	lent     int
	name     []byte   // scratch
	values   []string // scratch
	err      error
}

// Open prepares the correlations and finds the state that the store has of
// them. The watermark is that of the commit which wrote the state.
func Open(store *state.Store, specs []Spec, watermark time.Time, opts Options) (*Engine, error) {
	e, err := New(store, specs, watermark, opts)
	if err != nil {
		return nil, err
	}
	return e, e.restore()
}

// New is Open without the rows of the type key.Aggregate in the store: Take has
// to follow for each of them.
func New(store *state.Store, specs []Spec, watermark time.Time, opts Options) (*Engine, error) {
	e := &Engine{store: store, by: map[string][]member{}, holds: map[string]*holder{},
		ruleOf: map[string]*rule{}, holderOf: map[string]*holder{}, now: floorSecond(watermark), cache: opts.CacheBytes}
	if e.cache == 0 {
		e.cache = 64 << 20
	}
	var errs []error
	for i := range specs {
		r, err := newRule(&specs[i])
		if errs = append(errs, err); err == nil {
			e.rules = append(e.rules, r)
		}
	}
	if err := errors.Join(append(errs, e.connect(opts))...); err != nil {
		return nil, err
	}
	return e, e.known()
}

// floorSecond is the second that holds t; of the zero time one before all.
func floorSecond(t time.Time) int64 {
	if t.IsZero() {
		return never
	}
	return t.Unix() // rounds down
}

// connect brings inner correlations before outer ones, and finds how far each
// closes behind the watermark.
func (e *Engine) connect(opts Options) error {
	slices.SortFunc(e.rules, func(a, b *rule) int { return strings.Compare(a.spec.ID, b.spec.ID) })
	for i := 1; i < len(e.rules); i++ {
		if e.rules[i].spec.ID == e.rules[i-1].spec.ID {
			return fmt.Errorf("two correlations have the id %s", e.rules[i].spec.ID)
		}
	}
	if err := e.sort(); err != nil {
		return err
	}
	byID := map[string]*rule{}
	for i, r := range e.rules {
		r.index, byID[r.spec.ID] = i, r
		r.offset = int64(opts.Lateness / time.Second)
		if own := r.spec.Lateness; own > 0 {
			r.offset -= int64(own / time.Second)
		} else {
			r.offset = 0
		}
		e.refer(r, byID)
	}
	for _, h := range opts.Holds {
		e.holds[h.Rule] = newHolder(h)
	}
	for _, r := range e.rules {
		if r.custom {
			e.holds[r.spec.ID] = newHolder(Hold{r.spec.ID, r.spec.Version, r.spec.suppressFor(), r.spec.Suppress.By})
		}
	}
	return nil
}

// refer enters a correlation with the rules it names.
func (e *Engine) refer(r *rule, byID map[string]*rule) {
	for step, ref := range r.spec.Rules {
		inner := byID[ref.ID]
		if inner == nil {
			e.by[ref.ID] = append(e.by[ref.ID], member{r.index, step})
			continue
		}
		inner.outer = append(inner.outer, member{r.index, step})
		inner.silent = !r.spec.Generate && (len(inner.outer) == 1 || inner.silent)
		for _, paths := range r.paths {
			inner.carry = append(inner.carry, paths[step])
		}
		inner.carry = append(inner.carry, r.spec.Condition.Fields...)
		slices.Sort(inner.carry)
		inner.carry = slices.Compact(inner.carry)
		delay := int64(0)
		if inner.atClose {
			delay = 1 // decided when the second is over
		}
		r.offset = min(r.offset, inner.offset-delay)
	}
}

// sort orders correlations so that each stands behind those it refers to.
func (e *Engine) sort() error {
	var order []*rule
	done := map[string]int{} // 1 on the way, 2 done
	var visit func(r *rule) error
	visit = func(r *rule) error {
		switch done[r.spec.ID] {
		case 1:
			return fmt.Errorf("correlation %s refers to itself", r.spec.ID)
		case 2:
			return nil
		}
		done[r.spec.ID] = 1
		for _, ref := range r.spec.Rules {
			i, found := slices.BinarySearchFunc(e.rules, ref.ID, func(r *rule, id string) int { return strings.Compare(r.spec.ID, id) })
			if !found {
				continue
			}
			if err := visit(e.rules[i]); err != nil {
				return err
			}
		}
		done[r.spec.ID] = 2
		order = append(order, r)
		return nil
	}
	for _, r := range e.rules {
		if err := visit(r); err != nil {
			return err
		}
	}
	e.rules = order
	return nil
}

// closeOf is the first second of a rule for which events are still taken.
func (e *Engine) closeOf(r *rule) int64 {
	if e.now == never {
		return never
	}
	return e.now + r.offset
}

// Event takes an event in and returns what fires at once. The result is valid
// until the next call. Advance must have been called with the watermark that
// holds on the event's arrival.
func (e *Engine) Event(ev *Event) ([]Firing, error) {
	e.out, e.hits, ev.own = e.out[:0], e.hits[:0], ""
	for _, id := range ev.Matched {
		e.hits = append(e.hits, e.by[id]...)
	}
	// In order of the rules, whatever the order of Matched.
	slices.SortFunc(e.hits, compareMembers)
	for hits := e.hits; len(hits) > 0 && e.err == nil; {
		n := 1
		for n < len(hits) && hits[n].rule == hits[0].rule {
			n++
		}
		e.match(e.rules[hits[0].rule], hits[:n], ev)
		hits = hits[n:]
	}
	return e.out, e.err
}

func compareMembers(a, b member) int {
	if a.rule != b.rule {
		return a.rule - b.rule
	}
	return a.step - b.step
}

// Advance moves the watermark, and returns what is decided with that: absences,
// ratios, ends. The result is valid until the next call. The steps in which the
// watermark moves make no difference; it never falls.
func (e *Engine) Advance(watermark time.Time) ([]Firing, error) {
	e.out = e.out[:0]
	target := floorSecond(watermark)
	for e.err == nil && len(e.queue) > 0 && e.queue[0].due <= target {
		it := e.queue.pop()
		e.now = max(e.now, it.due)
		e.wake(it)
	}
	e.now = max(e.now, target)
	return e.out, e.err
}

// Pending counts the groups that wait for the close to be decided: at the end
// of a replay they are never fired.
func (e *Engine) Pending() int {
	n := 0
	for _, r := range e.rules {
		for _, g := range r.groups {
			if r.atClose && e.warm(g) && g.newest >= g.settled {
				n++
			}
		}
	}
	return n
}

// Counts returns the counters of each correlation, by id.
func (e *Engine) Counts() map[string]Counts {
	out := make(map[string]Counts, len(e.rules))
	for _, r := range e.rules {
		c := r.counts
		c.Groups = int64(len(r.groups))
		out[r.spec.ID] = c
	}
	return out
}

// Silenced lists the rules that make no findings of their own because a
// correlation refers to them without Generate, in order.
func Silenced(specs []Spec) []string {
	loud := map[string]bool{}
	for _, s := range specs {
		for _, r := range s.Rules {
			loud[r.ID] = loud[r.ID] || s.Generate
		}
	}
	var out []string
	for _, id := range sortedKeys(loud) {
		if !loud[id] {
			out = append(out, id)
		}
	}
	return out
}

// noDeadline is after all times.
const noDeadline = math.MaxInt64 / 4
