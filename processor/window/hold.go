package window

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/state/key"
)

// Hold is the suppression of a rule over single events.
type Hold struct {
	Rule, Version string
	For           time.Duration
	By            []string // paths; the account is always part of what is told apart
}

// holder is the suppression of one rule.
type holder struct {
	Hold
	span   int64
	prefix []byte
	open   map[string]*held
}

// held are the findings of one cause that hold others back.
type held struct {
	holder  *holder
	id      string
	hash    key.Hash
	anchors []anchor
	due     int64
	dirty   bool
	stored  bool
}

type anchor struct {
	sec int64
	id  string
}

func newHolder(h Hold) *holder {
	return &holder{Hold: h, span: int64(h.For / time.Second), prefix: rowPrefix(h.Rule, h.Version), open: map[string]*held{}}
}

// graceHold is how long behind its time a finding still holds back others:
// findings of single events may be as late as events are known.
const graceHold = int64(MaxLateness / time.Second)

// Held says which finding holds back the finding id that a rule made of an
// event, "" if none does; then this one holds back others for the rule's time.
// A finding holds back those that are less than that time before or after it.
func (e *Engine) Held(rule string, ev *Event, id string) (by string, err error) {
	h := e.holds[rule]
	if h == nil || h.span == 0 {
		return "", nil
	}
	x := h.find(ev)
	sec := floorSecond(ev.Time)
	for _, a := range x.anchors {
		if d := sec - a.sec; max(d, -d) < h.span && (e.now == never || a.sec+h.span+graceHold >= e.now) {
			return a.id, nil
		}
	}
	x.anchors = append(x.anchors, anchor{sec, strings.Clone(id)})
	e.keep(x)
	return "", nil
}

// held is Held for the engine's own findings.
func (e *Engine) held(rule string, ev *Event, id string) string {
	by, err := e.Held(rule, ev, id)
	if err != nil && e.err == nil {
		e.err = err
	}
	return by
}

// find returns what is known of the cause of an event.
func (h *holder) find(ev *Event) *held {
	id := append([]byte(nil), ev.Hash[:]...)
	id = key.AppendString(id, ev.Account)
	for _, path := range h.By {
		v, _ := ev.Field(path)
		id = key.AppendString(id, v)
	}
	x := h.open[string(id)]
	if x == nil {
		x = &held{holder: h, id: string(id), hash: ev.Hash}
		h.open[x.id] = x
	}
	return x
}

// keep notes a change and plans its end.
func (e *Engine) keep(x *held) {
	if !x.dirty {
		x.dirty = true
		e.changed = append(e.changed, x)
	}
	newest := int64(never)
	for _, a := range x.anchors {
		newest = max(newest, a.sec)
	}
	if due := newest + x.holder.span + graceHold + 1; x.due == 0 {
		x.due = due
		e.queue.push(item{due: due, rule: -1, id: x.holder.Rule + x.id, h: x})
	}
}

// expire drops what holds nothing back any more.
func (e *Engine) expire(x *held, now int64) {
	x.due = 0
	x.anchors = slices.DeleteFunc(x.anchors, func(a anchor) bool { return a.sec+x.holder.span+graceHold < now })
	if len(x.anchors) > 0 {
		e.keep(x)
		return
	}
	if delete(x.holder.open, x.id); x.stored {
		e.store.Delete(x.row())
	}
	x.stored, x.dirty, x.holder = false, false, nil
}

// row is the key of the row.
func (x *held) row() []byte {
	return key.Keyed(x.hash, key.Aggregate, x.holder.prefix, []byte{rowHeld}, bounded(x.id[len(x.hash):]))
}

// encode is the row: a version, the newest second, the id, and the findings.
func (x *held) encode() []byte {
	newest := int64(never)
	for _, a := range x.anchors {
		newest = max(newest, a.sec)
	}
	w := writer{}
	w.header(newest)
	w.text(x.id)
	w.uint(uint64(len(x.anchors)))
	for _, a := range x.anchors {
		w.int(a.sec)
		w.id(a.id)
	}
	return w.buf
}

func (h *holder) decode(hash key.Hash, value []byte) (*held, error) {
	r := reader{buf: value}
	newest := r.header()
	x := &held{holder: h, hash: hash, id: r.text(), stored: true}
	for range r.count() {
		x.anchors = append(x.anchors, anchor{r.int(), r.id()})
	}
	if r.failed || len(x.id) < len(hash) {
		return nil, fmt.Errorf("suppression of rule %s up to %v: the row is damaged", h.Rule, second(newest))
	}
	return x, nil
}
