package baseline

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"time"
)

// An episode is the time in which a key is unusual: from the first window at
// or above the threshold until three windows in a row lie below it. It is one
// finding.
type episode struct {
	Open    bool
	Holding bool    // windows are held back and learned at the end
	Down    bool    // fewer than usual
	First   Window  // the window that started it
	Last    Window  // the last one at or above the threshold
	Through Window  // the window closed last
	Cool    Window  // once closed: until here only a higher score starts another
	Run     uint32  // windows below the threshold since Last
	Peak    float64 // highest score
	Sum     float64 // of the values from First to Last
	After   float64 // of the values since
	Events  uint64  // from First to the window closed last
	Said    Finding // as it was told last, with the severity that it has
	Held    []held

	roll *State // the state with the held windows passed but not learned; nil: to be made
}

// held is a window that waits to be learned.
type held struct {
	t    Window
	y    uint32
	seen []again
}

// episodeLengths are times in windows.
type episodeLengths struct {
	quiet uint32 // below the threshold: the end
	day   int64  // above it: the new level
	cool  Window // after the end
}

func newLengths(window time.Duration) episodeLengths {
	return episodeLengths{3, int64(24 * time.Hour / window), Window(6 * time.Hour / window)}
}

// mayStart tells whether a score may start an episode in window k: after one
// it has to be higher than the last peak for a while.
func (x *keyed) mayStart(which int, k Window, score float64) bool {
	p := x.episodes[which]
	return p == nil || k >= p.Cool || score > p.Peak
}

// over tells that an episode lasts for a day.
func over(r *ruleState, p *episode, k Window) bool { return r.cal.left(p.First, k)+1 >= r.lengths.day }

// follow starts an episode, or takes a window into the open one.
func (e *Engine) follow(r *ruleState, x *keyed, w *openWindow, c *judged) {
	which := 0
	if c.gauge != nil && !c.gauge.Up {
		which = 1
	}
	p := x.episodes[which]
	switch {
	case p != nil && p.Open:
		e.goOn(r, x, p, w, c)
	case c.reached && x.mayStart(which, w.k, c.best):
		e.begin(r, x, which, w, c)
	case w.said != nil:
		f := *w.said
		f.Step, f.Reason, f.Early = End, EndRetracted, false
		e.out = append(e.out, f)
	}
}

// begin starts an episode.
func (e *Engine) begin(r *ruleState, x *keyed, which int, w *openWindow, c *judged) {
	p := &episode{Open: true, Down: which == 1, First: w.k, Last: w.k, Through: w.k, Peak: c.best, Sum: c.value, Events: uint64(w.events)}
	x.episodes[which] = p
	x.told, x.gone[which] = true, false
	f := e.report(r, x, w, c)
	f.Down = p.Down
	if p.Down {
		f.ID = findingID(r, x.id, w.k, true)
	}
	f.Step = Start
	if said := x.early(w); said != nil { // told before the window closed
		f.ID = said.ID
		if said.First.Before(f.First) {
			f.First = said.First // of two open windows the later one may have been noticed first
		}
		if f.Severity > said.Severity {
			f.Step = Update
			e.out = append(e.out, f)
		}
	} else {
		e.out = append(e.out, f)
	}
	p.Said = f
	if !p.Down {
		x.state.setOpen(true)
		x.state.Run = 0
	}
}

// early returns what was told of an open window, this one first. The episode
// takes its id over; no other end is told.
func (x *keyed) early(w *openWindow) (said *Finding) {
	for _, o := range append([]*openWindow{w}, x.open...) {
		if o.said != nil && said == nil {
			said, o.said, o.changed = o.said, nil, true
		}
	}
	return said
}

// goOn takes a window into an open episode.
func (e *Engine) goOn(r *ruleState, x *keyed, p *episode, w *openWindow, c *judged) {
	x.told = true
	p.Through = w.k
	x.early(w)
	p.Events += uint64(w.events)
	p.After += c.value
	if c.best < c.limit || p.Down != (c.gauge != nil && !c.gauge.Up) {
		p.below(x)
		return
	}
	p.Last, p.Run = w.k, 0
	p.Sum, p.After = p.Sum+p.After, 0
	if !p.Down {
		x.state.Run = 0
	}
	if c.best <= p.Peak {
		return
	}
	p.Peak = c.best
	f := e.report(r, x, w, c)
	f.ID, f.First, f.Down = p.Said.ID, p.Said.First, p.Down
	f.Baseline, f.Severity = p.Said.Baseline, max(f.Severity, p.Said.Severity)
	if f.Step = Update; f.Severity > p.Said.Severity {
		e.out = append(e.out, f)
	}
	p.Said = f
}

// below counts a window below the threshold.
func (p *episode) below(x *keyed) {
	p.Run++
	if !p.Down {
		x.state.Run = uint16(min(p.Run, math.MaxUint16))
		x.changed = true
	}
}

// quiet passes a window without an event in an open episode of the count model.
func (e *Engine) quiet(r *ruleState, x *keyed, p *episode, k Window) {
	x.told = true
	p.Through = k
	p.below(x)
	e.finish(r, x, p, k)
}

// finish ends an episode that is over.
func (e *Engine) finish(r *ruleState, x *keyed, p *episode, k Window) {
	switch {
	case p.Run >= r.lengths.quiet:
		e.end(r, x, p, EndQuiet)
	case over(r, p, k):
		e.end(r, x, p, EndNewLevel)
	}
}

// end closes an episode and learns what was held back.
func (e *Engine) end(r *ruleState, x *keyed, p *episode, reason string) {
	x.told, x.changed = true, true
	minutes := float64(r.cal.left(p.First, p.Last)+1) * r.spec.Window.Minutes()
	f := p.Said
	f.Step, f.Reason, f.Early = End, reason, false
	f.WindowStart = time.Unix(r.cal.start(p.First), 0).UTC()
	f.WindowEnd = time.Unix(r.cal.start(p.Last+1), 0).UTC()
	f.Insight, f.Events = Average{p.Sum / minutes, minutes}, uint32(min(p.Events, math.MaxUint32))
	e.out = append(e.out, f)
	p.Open, p.Holding = false, false
	p.Cool = p.Last + 1 + r.lengths.cool
	for _, h := range p.Held {
		r.model.relearn(&x.state, h)
	}
	p.Held, p.roll = nil, nil
	p.Said = Finding{}
	if !p.Down && !r.gauge {
		x.state.Cool, x.state.Run = p.Cool, 0
		x.state.setOpen(false)
	}
}

// relearn learns a window that was held back, as it would have been at once.
func (m *Model) relearn(s *State, h held) {
	p := m.touchAgain(s, h.t, h.y, h.seen)
	var score Score
	m.judgeHour(s, p, &score)
	m.Learn(s, p, &score)
}

// hold keeps a window back; t is the state that was brought up to it.
func (p *episode) hold(t *State, c *judged) {
	p.Holding = true
	p.Held = append(p.Held, held{c.p.T, c.p.Y, c.seen})
	if p.roll == nil {
		p.roll = new(State)
	}
	*p.roll = *t
	p.roll.pass(c.p.T)
}

// pass moves a state on without learning.
func (s *State) pass(t Window) {
	s.Last = t
	s.Active = max(s.Active, 1)
}

// rolled is the key's state with the held windows passed: what has been
// learned stands still, the long sum and the hours go on.
func (p *episode) rolled(r *ruleState, x *keyed) *State {
	if p.roll == nil {
		p.roll = new(State)
		*p.roll = x.state
		for _, h := range p.Held {
			r.model.touchAgain(p.roll, h.t, h.y, h.seen)
			p.roll.pass(h.t)
		}
	}
	return p.roll
}

// cool forgets episodes whose cool-down is over.
func (e *Engine) cool(r *ruleState) {
	for x := range r.cooling {
		for i, p := range x.episodes {
			if p != nil && !p.Open && r.closed >= p.Cool {
				x.episodes[i], x.gone[i], x.told = nil, true, true
			}
		}
		r.follow(x)
		r.touched(x)
	}
}

// append encodes an episode.
func (p *episode) append(b []byte) []byte {
	flags := byte(0)
	for i, on := range [...]bool{p.Open, p.Holding, p.Down} {
		if on {
			flags |= 1 << i
		}
	}
	b = append(b, flags)
	for _, v := range [...]uint32{p.First, p.Last, p.Through, p.Cool, p.Run} {
		b = binary.AppendUvarint(b, uint64(v))
	}
	for _, v := range [...]float64{p.Peak, p.Sum, p.After} {
		b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
	}
	b = binary.AppendUvarint(b, p.Events)
	b = binary.AppendUvarint(b, uint64(len(p.Held)))
	for _, h := range p.Held {
		b = binary.AppendUvarint(b, uint64(h.t))
		b = binary.AppendUvarint(b, uint64(h.y))
		b = binary.AppendUvarint(b, uint64(len(h.seen)))
		for _, a := range h.seen {
			b = binary.AppendUvarint(append(b, a.age), uint64(a.count))
		}
	}
	if !p.Open {
		return b
	}
	return appendFinding(b, &p.Said)
}

func decodeEpisode(b []byte) (*episode, error) {
	r := &reader{b: b}
	flags := r.bytes(1)[0]
	p := &episode{Open: flags&1 != 0, Holding: flags&2 != 0, Down: flags&4 != 0}
	for _, v := range [...]*uint32{&p.First, &p.Last, &p.Through, &p.Cool, &p.Run} {
		*v = uint32(r.uvarint())
	}
	for _, v := range [...]*float64{&p.Peak, &p.Sum, &p.After} {
		*v = math.Float64frombits(r.u64())
	}
	p.Events = r.uvarint()
	for range r.count() {
		h := held{t: uint32(r.uvarint()), y: uint32(r.uvarint())}
		for range r.count() {
			h.seen = append(h.seen, again{r.bytes(1)[0], uint32(r.uvarint())})
		}
		p.Held = append(p.Held, h)
	}
	if p.Open {
		if f := r.finding(); f != nil {
			p.Said = *f
		}
	}
	return p, r.end()
}

// appendFinding encodes a finding as it was told; nothing for nil.
func appendFinding(b []byte, f *Finding) []byte {
	if f == nil {
		return b
	}
	text, err := json.Marshal(f)
	if err != nil {
		return b // cannot be: no number in a finding is infinite
	}
	return append(b, text...)
}

// finding reads what is left as a finding.
func (r *reader) finding() *Finding {
	f := &Finding{}
	if err := json.Unmarshal(r.b, f); err != nil {
		r.fail()
		return nil
	}
	r.b = nil
	return f
}
