package window

import (
	"errors"
	"fmt"

	"github.com/axiomhq/hyperloglog"
)

// encode is all that a group is, but for its place in memory.
func (g *group) encode() []byte {
	w := writer{}
	w.text(g.account)
	w.uint(uint64(len(g.values)))
	for _, v := range g.values {
		w.text(v)
	}
	for _, v := range [...]int64{g.hot, g.settled, g.coarse, int64(g.kept), g.live.events, g.live.reported} {
		w.int(v)
	}
	w.id(g.live.id)
	g.run.encode(&w)
	w.uint(uint64(len(g.announced)))
	for _, a := range g.announced {
		w.int(a.point)
		w.ids([]string{a.id, a.by, a.event})
		w.text(a.ctx)
	}
	g.encodeEntries(&w)
	w.flag(g.sketch != nil)
	if g.sketch != nil {
		g.sketch.encode(&w)
	}
	for _, v := range [...]int64{g.live.began, g.run.began, g.run.ended} {
		w.int(v)
	}
	return w.buf
}

func (x *run) encode(w *writer) {
	w.flag(x.open)
	if !x.open {
		return
	}
	for _, v := range [...]int64{x.anchor, x.last, x.falseAt, x.counted, x.total, x.reported, x.from, x.lo} {
		w.int(v)
	}
	w.float(x.peak)
	w.flag(x.named)
	w.ids([]string{x.id, x.held, x.trigger})
	w.text(x.ctx)
	w.ids(x.first)
	w.ids(x.end)
}

// encodeEntries writes seconds as distances, and each context once.
func (g *group) encodeEntries(w *writer) {
	w.uint(uint64(len(g.entries)))
	at, contexts := int64(0), map[string]int{}
	for i := range g.entries {
		e := &g.entries[i]
		w.int(e.sec - at)
		at = e.sec
		w.uint(e.key)
		w.uint(uint64(e.n))
		w.flag(e.sure)
		w.int(e.sum.hi)
		w.uint(e.sum.lo)
		w.uint(uint64(len(e.ids)))
		for _, id := range e.ids {
			w.int(id.ms - 1000*e.sec)
			w.id(id.id)
		}
		place, known := contexts[e.ctx]
		if !known {
			place = len(contexts)
			contexts[e.ctx] = place
		}
		if w.uint(uint64(place)); !known {
			w.text(e.ctx)
		}
	}
}

func (s *sketch) encode(w *writer) {
	w.int(s.width)
	w.uint(uint64(len(s.parts)))
	for _, p := range s.parts {
		w.int(p.number)
		data, err := p.hll.MarshalBinary()
		if err != nil {
			panic(fmt.Sprintf("window: a sketch does not encode: %v", err)) // it never returns an error
		}
		w.text(string(data))
	}
}

var errDamaged = errors.New("the row is damaged")

// decode is the inverse of encode.
func (g *group) decode(data []byte) error {
	r := reader{buf: data}
	g.account = r.text()
	g.values = nil
	for range r.count() {
		g.values = append(g.values, r.text())
	}
	g.hot, g.settled, g.coarse = r.int(), r.int(), r.int()
	g.kept, g.live.events, g.live.reported = int(r.int()), r.int(), r.int()
	g.live.id = r.id()
	g.run.decode(&r)
	for range r.count() {
		a := announcement{point: r.int()}
		if ids := r.ids(); len(ids) == 3 {
			a.id, a.by, a.event = ids[0], ids[1], ids[2]
		}
		a.ctx = r.text()
		g.announced = append(g.announced, a)
	}
	g.decodeEntries(&r)
	if r.flag() {
		g.sketch = &sketch{}
		g.sketch.decode(&r)
	}
	if len(r.buf) > 0 { // rows of Cairn before these times were kept end here
		g.live.began, g.run.began, g.run.ended = r.int(), r.int(), r.int()
	}
	if r.failed || len(r.buf) > 0 || len(g.values) != len(g.rule.paths) {
		return errDamaged
	}
	return nil
}

func (x *run) decode(r *reader) {
	if x.open = r.flag(); !x.open {
		return
	}
	for _, v := range [...]*int64{&x.anchor, &x.last, &x.falseAt, &x.counted, &x.total, &x.reported, &x.from, &x.lo} {
		*v = r.int()
	}
	x.peak, x.named = r.float(), r.flag()
	if ids := r.ids(); len(ids) == 3 {
		x.id, x.held, x.trigger = ids[0], ids[1], ids[2]
	}
	x.ctx, x.first, x.end = r.text(), r.ids(), r.ids()
}

func (g *group) decodeEntries(r *reader) {
	n := r.count()
	g.entries = make([]entry, 0, n)
	at, contexts := int64(0), []string{}
	for range n {
		at += r.int()
		e := entry{sec: at, key: r.uint(), n: int64(r.uint()), sure: r.flag(), sum: num{r.int(), r.uint()}}
		for range r.count() {
			e.ids = append(e.ids, stamp{r.int() + 1000*at, r.id()})
		}
		place := r.uint()
		if place == uint64(len(contexts)) {
			contexts = append(contexts, r.text())
		}
		if place >= uint64(len(contexts)) || len(e.ids) == 0 {
			r.fail()
			return
		}
		e.ctx = contexts[place]
		g.entries = append(g.entries, e)
	}
}

func (s *sketch) decode(r *reader) {
	s.width = r.int()
	for range r.count() {
		p := part{number: r.int(), hll: &hyperloglog.Sketch{}}
		if data := r.text(); r.failed || p.hll.UnmarshalBinary([]byte(data)) != nil {
			r.fail()
			return
		}
		s.parts = append(s.parts, p)
	}
	if s.width <= 0 {
		r.fail()
	}
}
