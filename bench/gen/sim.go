package gen

import (
	"container/heap"
	"iter"
	"time"
)

// An activity is one piece of work: a deployment, a backup, somebody who looks for a resource. It makes one or more calls, at
// once or over hours through world.after.
type activity struct {
	name   string
	weight int    // how often, relative to the others of its kind
	kinds  string // account kinds that do it, separated by spaces; empty for all
	run    func(w *world)
	runs   int // measured, so that the volume of a corpus can be planned
	events int
	purse  *purse // that pays for its events
}

// cost is what one run of the activity is expected to make, in events: the mean so far.
func (a *activity) cost() int { return max(1, (a.events+2)/(a.runs+1)) }

// task is a step of an activity at a moment of simulated time.
type task struct {
	at  time.Time
	seq int // tasks of one second run in the order in which they were planned
	of  *activity
	do  func()
}

type tasks []task

func (q tasks) Len() int { return len(q) }
func (q tasks) Less(i, j int) bool {
	return q[i].at.Before(q[j].at) || q[i].at.Equal(q[j].at) && q[i].seq < q[j].seq
}
func (q tasks) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *tasks) Push(x any)   { *q = append(*q, x.(task)) }
func (q *tasks) Pop() any {
	last := (*q)[len(*q)-1]
	(*q)[len(*q)-1] = task{}
	*q = (*q)[:len(*q)-1]
	return last
}

// Rhythm of a weekday by hour, in parts: people come to the office at seven and leave at six, programs run day and night with a
// peak after midnight, when the backups and reports are made.
var (
	peopleByHour  = [24]int{0, 0, 0, 0, 0, 1, 2, 12, 36, 48, 46, 44, 26, 42, 50, 46, 38, 20, 6, 4, 3, 2, 1, 0}
	programByHour = [24]int{30, 28, 24, 20, 16, 16, 18, 20, 24, 26, 26, 26, 24, 26, 26, 26, 24, 22, 20, 18, 18, 18, 20, 26}
)

// weekend divides the work of people on Saturday and Sunday.
const weekend = 8

// purse is the number of events that a kind of activity may still make, in parts of an event, so that small rates add up without
// rounding. Every event is paid when it is made; a purse that long activities have overdrawn waits until it is filled again.
type purse struct {
	perDay  int
	byHour  *[24]int
	total   int // sum of byHour
	balance int
	choice  []*activity
	weights int
}

func newPurse(perDay int, byHour *[24]int, choice []*activity) *purse {
	p := &purse{perDay: perDay, byHour: byHour, choice: choice}
	for _, n := range byHour {
		p.total += n
	}
	for _, a := range choice {
		p.weights += a.weight
		a.purse = p
	}
	return p
}

// unit is the worth of one event.
func (p *purse) unit() int { return p.total * 60 }

// earn adds the worth of one minute.
func (p *purse) earn(hour, divide int) { p.balance += p.perDay * p.byHour[hour] / divide }

// next returns the activity that comes up, by weight.
func (p *purse) next(n func(int) int) *activity {
	left := n(p.weights)
	for _, a := range p.choice {
		if left -= a.weight; left < 0 {
			return a
		}
	}
	return nil
}

// files simulates the account and yields its log files as they become due.
func (w *world) files() iter.Seq[File] {
	return func(yield func(File) bool) {
		end := w.opts.Start.Add(w.opts.Duration)
		for minute := w.opts.Start; minute.Before(end); minute = minute.Add(time.Minute) {
			w.plan(minute)
			w.work(minute.Add(time.Minute), end)
			for _, f := range w.out.take(minute.Add(time.Minute)) {
				if !yield(f) {
					return
				}
			}
		}
		for _, f := range w.out.take(end.Add(time.Hour)) {
			if !yield(f) {
				return
			}
		}
	}
}

// plan puts the activities that begin in a minute on the queue.
func (w *world) plan(minute time.Time) {
	local := minute.Add(w.zone)
	divide := 1
	if d := local.Weekday(); d == time.Saturday || d == time.Sunday {
		divide = weekend
	}
	w.people.earn(local.Hour(), divide)
	w.begin(w.people, minute)
	w.programs.earn(minute.Hour(), 1)
	if minute.Unix()%int64(w.opts.Clump/time.Second) == 0 {
		w.begin(w.programs, minute)
	}
}

// begin plans as many activities as the purse can be expected to pay.
func (w *world) begin(p *purse, minute time.Time) {
	for left := p.balance; left > 0; {
		a := p.next(w.rng.IntN)
		left -= a.cost() * p.unit()
		a.runs++
		w.at(minute.Add(time.Duration(w.rng.IntN(60))*time.Second), a, func() { a.run(w) })
	}
}

// work runs the tasks before a moment. What lies behind the end of the corpus stays undone.
func (w *world) work(until, end time.Time) {
	for len(w.queue) > 0 && w.queue[0].at.Before(until) && w.queue[0].at.Before(end) {
		t := heap.Pop(&w.queue).(task)
		w.now, w.doing = t.at, t.of
		t.do()
	}
}

func (w *world) at(t time.Time, of *activity, do func()) {
	w.seq++
	heap.Push(&w.queue, task{at: t, seq: w.seq, of: of, do: do})
}

// after continues the activity at hand in so many seconds.
func (w *world) after(seconds int, do func()) {
	w.at(w.now.Add(time.Duration(seconds)*time.Second), w.doing, do)
}

// soon continues after a person's moment of thought.
func (w *world) soon(do func()) { w.after(2+w.rng.IntN(40), do) }

// emit makes the record of a call at the present moment.
func (w *world) emit(c call) {
	if c.region == "" {
		c.region = w.region
	}
	if global(c.source) {
		c.region = "us-east-1"
	}
	if c.label == nil {
		c.label = w.label
	}
	if w.doing != nil {
		w.doing.events++
		w.doing.purse.balance -= w.doing.purse.unit()
	}
	id := uuid(w.rng)
	record := c.encode(w.account.id, id, uuid(w.rng), w.now)
	w.out.add(Record{ID: id, Account: w.account.id, Region: c.region, Name: c.name, Time: w.now, JSON: record, Label: c.label})
}
