package processortest

import (
	"context"
	"errors"
)

// Call is one call of a worker into a fake.
type Call struct {
	Worker string // who calls; Network for what was sent before and arrives now
	Op     string // such as "putif", "publish", "lease.take", "stream.read"
	Key    string // object, shard or alert that it is about
	Write  bool   // it changes something, so it may happen without an answer
}

// Network is the worker of calls whose sender has given up on them.
const Network = "~network"

// String names the call for traces.
func (c Call) String() string { return c.Worker + " " + c.Op + " " + c.Key }

// Verdict is what becomes of a call.
type Verdict uint8

// The verdicts. Of a call that only reads, Lose, Late and Twice mean Fail, Fail
// and Do.
const (
	Do    Verdict = iota // it happens and is answered
	Fail                 // it does not happen, and the caller gets ErrUnknown
	Lose                 // it happens, and the caller gets ErrUnknown
	Late                 // the caller gets ErrUnknown; it happens some time later
	Twice                // it happens twice, as if something on the way had repeated it; the second answer counts
)

// String names the verdict for traces.
func (v Verdict) String() string {
	return [...]string{"do", "fail", "lose", "late", "twice"}[v]
}

// Gate decides about a call. It may wait. A nil Gate lets all calls happen.
type Gate func(ctx context.Context, c Call) Verdict

// ErrUnknown is what a caller gets that is not told whether its call happened.
var ErrUnknown = errors.New("no answer: the connection was lost")

// pass asks the gate and carries the call out as it says.
func (g Gate) pass(ctx context.Context, c Call, do func() error) error {
	if g == nil {
		return do()
	}
	v := g(ctx, c)
	if !c.Write && v > Fail {
		v = map[Verdict]Verdict{Lose: Fail, Late: Fail, Twice: Do}[v]
	}
	switch v {
	case Fail:
		return ErrUnknown
	case Lose:
		_ = do() // nobody hears of it
		return ErrUnknown
	case Late:
		go func() {
			late := c
			late.Worker = Network
			_ = g.pass(context.WithoutCancel(ctx), late, do)
		}()
		return ErrUnknown
	case Twice:
		_ = do()
	}
	return do()
}
