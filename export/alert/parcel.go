package alert

import (
	"fmt"
	"slices"
	"time"
)

// parcel is one message on its way: an alert, or several joined into a digest.
type parcel struct {
	id      string
	finding string // of a digest: its own id
	time    int64  // ms
	body    body
	items   []*item
}

func single(it *item) *parcel {
	return &parcel{it.alert.ID, it.alert.Finding, it.alert.Time, it.body, []*item{it}}
}

// Batches of kinds that take several alerts at once; others take one.
// EventBridge takes ten entries of 256 KB together, Security Hub a hundred
// findings of 240 KB each, and 6 MB are a call.
var batches = map[string]struct{ count, bytes int }{
	"eventbridge": {10, 250_000}, "securityhub": {100, 5_000_000}, "file": {500, 5_000_000},
}

// spacing is the least time between two messages to one sink.
var spacing = map[string]time.Duration{"slack": time.Second}

// next chooses what is sent now. If that is nothing, it says until when; over
// tells that the queue is drained.
func (q *queue) next(now time.Time) (parcels []*parcel, expired []*item, until time.Time, over bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	expired = q.expire(now)
	if len(q.items) == 0 {
		return nil, expired, until, q.draining
	}
	if parcels, until = q.choose(now); len(parcels) == 0 {
		if limit := q.items[0].status.Since.Add(maxAge); until.IsZero() || limit.Before(until) {
			until = limit
		}
		return nil, expired, until, q.draining
	}
	for _, p := range parcels {
		for _, it := range p.items {
			it.busy = true
		}
	}
	return parcels, expired, until, false
}

// choose takes what pause, gap and rate let through.
func (q *queue) choose(now time.Time) ([]*parcel, time.Time) {
	for _, t := range []time.Time{q.pause, q.gap} {
		if t.After(now) {
			return nil, t
		}
	}
	rate := q.sink.Rate
	if rate.Count == 0 {
		return q.batch(now)
	}
	if end := q.window.Add(rate.Per); !end.After(now) {
		q.window, q.used = now, 0
	} else if q.used >= rate.Count {
		return nil, end
	}
	ready, until := q.ready(now, maxWaiting, false)
	if len(ready) == 0 {
		return nil, until
	}
	q.used++
	if q.used == rate.Count && len(ready) > 1 && !ready[0].alone {
		// the last message that the rate allows speaks for all that wait
		several := slices.DeleteFunc(slices.Clone(ready), func(it *item) bool { return it.alone })
		if p, err := q.join(several); err == nil {
			return []*parcel{p}, until
		} else {
			q.log.Error("alerts were not joined", "error", q.sink.hide(err.Error()))
		}
	}
	first, _ := q.first(now, 1, true)
	return []*parcel{single(first[0])}, until
}

// batch takes as many alerts as the sink takes at once.
func (q *queue) batch(now time.Time) (parcels []*parcel, until time.Time) {
	limit, several := batches[q.sink.Kind]
	if !several {
		limit.count, limit.bytes = 1, 1
	}
	ready, until := q.first(now, limit.count, q.sink.Kind != "file")
	for _, it := range ready {
		if it.alone && len(parcels) > 0 {
			break
		}
		if it.alone {
			return []*parcel{single(it)}, until
		}
		if limit.bytes -= len(it.body.Payload); limit.bytes < 0 && len(parcels) > 0 {
			break
		}
		parcels = append(parcels, single(it))
	}
	return parcels, until
}

// first are those that may go and come first. While the sink fails, they are
// those that were tried the least: one that it will never take does not keep
// the others from finding out that it takes them.
func (q *queue) first(now time.Time, limit int, oneEach bool) ([]*item, time.Time) {
	if q.failures == 0 {
		return q.ready(now, limit, oneEach)
	}
	list, until := q.ready(now, maxWaiting, true)
	slices.SortStableFunc(list, func(a, b *item) int { return a.status.Attempts - b.status.Attempts })
	return list[:min(len(list), limit)], until
}

// ready are the first alerts that may go, in order. One that waits to be tried
// again holds those of its finding back, so that nobody learns of an end before
// the start. With oneEach a finding is in the list once at most: inside a batch
// there is no order.
func (q *queue) ready(now time.Time, limit int, oneEach bool) (list []*item, until time.Time) {
	held := map[string]bool{}
	for _, it := range q.items {
		if held[it.alert.Finding] {
			continue
		}
		if it.next.After(now) {
			held[it.alert.Finding] = true
			if until.IsZero() || it.next.Before(until) {
				until = it.next
			}
			continue
		}
		if list = append(list, it); len(list) == limit {
			break
		}
		if oneEach {
			held[it.alert.Finding] = true
		}
	}
	return list, until
}

// backoff is the time after so many failures in a row: 1 s, then twice as much
// each time, to 10 min.
func backoff(failures int) time.Duration {
	return min(time.Second<<min(max(failures-1, 0), 10), 10*time.Minute)
}

// maxWait bounds what a sink may ask for with Retry-After.
const maxWait = time.Hour

// settle notes what became of parcels. When the sender was stopped meanwhile,
// what failed is not held against the sink.
func (q *queue) settle(parcels []*parcel, answers []answer, now time.Time, stopped bool) {
	var over []*item
	q.mu.Lock()
	q.gap = now.Add(spacing[q.sink.Kind])
	q.judge(answers, now, stopped)
	for i, p := range parcels {
		if stopped && answers[i].err != nil {
			continue
		}
		over = append(over, q.answered(p, answers[i], now)...)
	}
	q.mu.Unlock()
	q.tell(over)
}

// judge decides whether the sink is left alone for a while: when nothing of a
// call came through and trying again may help.
func (q *queue) judge(answers []answer, now time.Time, stopped bool) {
	var after time.Duration
	for _, a := range answers {
		if a.err == nil || a.lasting || a.alone || stopped {
			q.failures, q.pause = 0, time.Time{}
			return
		}
		after = max(after, a.after)
	}
	q.failures++
	q.pause = now.Add(max(backoff(q.failures), min(after, maxWait)))
}

// answered notes the answer to one parcel and returns what is over.
func (q *queue) answered(p *parcel, a answer, now time.Time) (over []*item) {
	text := q.sink.hide(a.String())
	q.report(p, a, text)
	alone := a.alone || a.lasting && len(p.items) > 1 // what is refused together may be taken one by one
	for _, it := range p.items {
		it.busy = false
		if it.finished {
			continue // given up meanwhile
		}
		it.status.Attempts++
		it.status.At, it.status.Answer = now, text
		switch {
		case a.err == nil:
			it.finished, it.status.State = true, Sent
		case alone:
			it.alone = true
			continue
		case a.lasting:
			it.giveUp(reasonRefused)
		default:
			it.next = now.Add(max(backoff(it.status.Attempts), min(a.after, maxWait)))
			continue
		}
		q.forget(it)
		over = append(over, it)
	}
	return over
}

// report counts and logs an answer.
func (q *queue) report(p *parcel, a answer, text string) {
	if a.err != nil {
		q.count.failed.WithLabelValues(q.sink.Name).Inc()
		q.log.Warn("alert not delivered", "alert", p.id, "finding", p.finding, "alerts", len(p.items), "attempts", p.items[0].status.Attempts+1, "error", text)
		return
	}
	q.count.sent.WithLabelValues(q.sink.Name).Add(float64(len(p.items)))
	if len(p.items) > 1 {
		q.count.digests.WithLabelValues(q.sink.Name).Inc()
	}
	q.log.Debug("alert delivered", "alert", p.id, "finding", p.finding, "alerts", len(p.items), "answer", text)
}

// answer is what came of one parcel.
type answer struct {
	text    string        // of the sink
	err     error         // nil: it was taken
	lasting bool          // it will never be taken
	alone   bool          // a batch was refused for one of its messages: try each by itself
	after   time.Duration // the sink asked to wait so long
}

// String is the answer for a log.
func (a answer) String() string {
	if a.err == nil {
		return a.text
	}
	return joined(": ", fmt.Sprint(a.err), a.text)
}
