package baseline

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/state/key"
	"github.com/cespare/xxhash/v2"
)

// place is an account in the stream.
type place struct {
	hash  key.Hash
	whole bool
	name  string
}

func placeOf(ev *Event) place { return place{ev.Hash, ev.Whole, bounded(ev.Account)} }

// namesMost bounds the names of accounts that the engine has of its own.
const namesMost = 1 << 16

// place is placeOf for what stays in memory: an event's own texts hang on the
// buffer of the whole file that it came in.
func (e *Engine) place(ev *Event) place {
	name, ok := e.names[ev.Account]
	if !ok {
		if len(e.names) >= namesMost {
			clear(e.names)
		}
		own := strings.Clone(ev.Account)
		name = bounded(own)
		e.names[own] = name
	}
	return place{ev.Hash, ev.Whole, name}
}

// keyed is a key of a rule in memory.
type keyed struct {
	id      string // see appendID: orders keys by partition key, account and values
	account *account
	values  []string

	loaded bool
	state  State // zero: a new key
	gauge  *Gauge
	span   *span

	open     []*openWindow // by window
	episodes [2]*episode   // up and down; nil: none, and no cool-down
	noted    bool          // in ruleState.dirty
	changed  bool          // state, gauge or span differ from their rows
	told     bool          // an episode differs from its row
	gone     [2]bool       // an episode's row has to go
	stored   []Window      // closed windows whose rows have to go
}

// Values longer than this are cut in keys of state, and told apart by a hash.
const valueMost = 256

// bounded returns a value as keys hold it.
func bounded(v string) string {
	if len(v) <= valueMost {
		return v
	}
	return fmt.Sprintf("%s…%016x", v[:valueMost-32], xxhash.Sum64String(v))
}

// appendID appends what tells keys of a rule apart: partition key, space,
// account, values.
func appendID(b []byte, ev *Event) []byte {
	b = placeOf(ev).append(b)
	for _, v := range ev.Key {
		b = key.AppendString(b, bounded(v))
	}
	return b
}

func (p place) append(b []byte) []byte {
	b = append(b, p.hash[:]...)
	if p.whole {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	return key.AppendString(b, p.name)
}

// parseID takes an id apart.
func parseID(id []byte) (p place, values []string, err error) {
	p.hash, p.whole = key.Hash(id[:8]), id[8] == 1
	rest := id[9:]
	if p.name, rest, err = key.TakeString(rest); err != nil {
		return p, nil, err
	}
	for len(rest) > 0 {
		var v string
		if v, rest, err = key.TakeString(rest); err != nil {
			return p, nil, err
		}
		values = append(values, v)
	}
	return p, values, nil
}

// touched puts a key among those that Flush looks at.
func (r *ruleState) touched(x *keyed) {
	if !x.noted {
		x.noted = true
		r.dirty = append(r.dirty, x)
	}
}

// idle tells that nothing of a key needs to stay in memory.
func (x *keyed) idle(r *ruleState) bool {
	if len(x.open) > 0 || x.episodes != [2]*episode{} {
		return false
	}
	_, stepping := r.stepping[x]
	return !stepping
}

// openWindow is a window that is still counted.
type openWindow struct {
	k        Window
	events   uint32
	next     uint32 // count at which it is judged before it closes
	hotAt    uint32 // count from which its events are attributed
	sum      fixed  // for Sum
	distinct *sample
	raised   bool
	said     *Finding // a start that was reported before the window closed
	newest   int64    // ms; time of the event below
	trigger  []byte   // its id
	context  []byte
	hot      *hot
	stored   bool // has a row
	changed  bool // differs from its row
}

func (x *keyed) window(k Window) *openWindow {
	for i := len(x.open) - 1; i >= 0; i-- {
		if x.open[i].k == k {
			return x.open[i]
		}
	}
	return nil
}

func (r *ruleState) openWindow(x *keyed, k Window) *openWindow {
	first := uint32(max(1, math.Ceil(r.spec.MinCount)))
	w := &openWindow{k: k, next: first, hotAt: first}
	if r.spec.Statistic == Distinct {
		w.distinct = &sample{}
	}
	r.insert(x, w)
	return w
}

func (r *ruleState) insert(x *keyed, w *openWindow) {
	i := len(x.open)
	for i > 0 && x.open[i-1].k > w.k {
		i--
	}
	x.open = slices.Insert(x.open, i, w)
	r.windows[w.k] = append(r.windows[w.k], x)
}

// take counts an event. The newest one, by time and id, stays as the window's
// trigger, whatever the order in which they come.
func (w *openWindow) take(r *ruleState, ev *Event) {
	w.changed = true
	w.events++
	switch r.spec.Statistic {
	case Distinct:
		w.distinct.add(xxhash.Sum64String(ev.Value))
	case Sum:
		w.sum.add(ev.Number)
	}
	w.raised = w.raised || ev.Raised
	if at := ev.Time.UnixMilli(); w.events == 1 || at > w.newest || at == w.newest && ev.ID > string(w.trigger) {
		w.newest, w.trigger, w.context = at, append(w.trigger[:0], ev.ID...), w.context[:0]
		if ev.Context != nil {
			w.context = ev.Context(w.context)
		}
	}
}

// value is what the count model sees of the window.
func (w *openWindow) value(r *ruleState) uint32 {
	if r.spec.Statistic == Distinct {
		return max(1, w.distinct.size())
	}
	return w.events
}

// level is what the gauge model sees of the window.
func (w *openWindow) level(r *ruleState) float64 {
	if r.spec.Statistic == Sum {
		return w.sum.float()
	}
	return float64(w.value(r))
}

// grid is the next count at which an open window is judged: a quarter more.
func grid(y uint32) uint32 {
	return uint32(min(math.MaxUint32, uint64(y)+max(1, (uint64(y)+3)/4)))
}

// fixed is an exact sum of numbers in units of 2⁻²⁰, so that their order makes
// no difference.
type fixed struct {
	hi int64
	lo uint64
}

// add adds v, rounded to a unit; beyond 2⁸⁰ it is cut, and what is no number
// adds nothing.
func (f *fixed) add(v float64) {
	if math.IsNaN(v) {
		return
	}
	v = math.RoundToEven(min(max(v, -0x1p80), 0x1p80) * 0x1p20)
	low := math.Abs(v)
	hi := uint64(math.Floor(low * 0x1p-64))
	lo := uint64(low - float64(hi)*0x1p64)
	var carry uint64
	if v >= 0 {
		f.lo, carry = bits.Add64(f.lo, lo, 0)
		f.hi += int64(hi + carry)
		return
	}
	f.lo, carry = bits.Sub64(f.lo, lo, 0)
	f.hi -= int64(hi + carry)
}

func (f *fixed) float() float64 {
	hi, lo, sign := uint64(f.hi), f.lo, 0x1p-20
	if f.hi < 0 { // the absolute value, else small negative sums would drown in 2⁶⁴
		var borrow uint64
		lo, borrow = bits.Sub64(0, lo, 0)
		hi, _ = bits.Sub64(0, hi, borrow)
		sign = -sign
	}
	return (float64(hi)*0x1p64 + float64(lo)) * sign
}

// appendWindow encodes an open window.
func (w *openWindow) append(b []byte) []byte {
	flags := byte(0)
	for i, on := range [...]bool{w.raised, w.distinct != nil, w.hot != nil, w.said != nil} {
		if on {
			flags |= 1 << i
		}
	}
	b = append(b, flags)
	for _, v := range [...]uint32{w.events, w.next, w.hotAt} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	b = binary.LittleEndian.AppendUint64(b, uint64(w.sum.hi))
	b = binary.LittleEndian.AppendUint64(b, w.sum.lo)
	b = binary.AppendVarint(b, w.newest)
	b = appendText(appendText(b, string(w.trigger)), string(w.context))
	if w.distinct != nil {
		b = w.distinct.append(b)
	}
	if w.hot != nil {
		b = w.hot.append(b)
	}
	return appendFinding(b, w.said)
}

func decodeWindow(k Window, b []byte) (*openWindow, error) {
	r := &reader{b: b}
	flags := r.bytes(1)[0]
	w := &openWindow{k: k, raised: flags&1 != 0, stored: true}
	w.events, w.next, w.hotAt = uint32(r.uvarint()), uint32(r.uvarint()), uint32(r.uvarint())
	w.sum = fixed{int64(r.u64()), r.u64()}
	w.newest = r.varint()
	w.trigger, w.context = []byte(r.text()), []byte(r.text())
	if flags&2 != 0 {
		w.distinct = r.sample()
	}
	if flags&4 != 0 {
		w.hot = r.hot()
	}
	if flags&8 != 0 {
		w.said = r.finding()
	}
	return w, r.end()
}

// newestTime is the time of the newest event.
func (w *openWindow) newestTime() time.Time { return time.UnixMilli(w.newest).UTC() }
