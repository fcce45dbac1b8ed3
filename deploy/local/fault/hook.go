package fault

import (
	"context"
	"os"
	"sync"
)

// Kill is a hook that ends a process as kill -9 does. With Lose or LoseAnswer it is certain what the service has heard.
func Kill(p *os.Process) Hook {
	return func(context.Context, Call) { _ = p.Kill() } // an error: it has ended already
}

// Gate holds calls until it is opened: its Wait is the hook.
type Gate struct {
	arrived chan Call
	open    chan struct{}
	once    sync.Once
}

// NewGate returns a closed gate.
func NewGate() *Gate {
	return &Gate{arrived: make(chan Call), open: make(chan struct{})}
}

// Wait blocks until the gate is open or the client gives up. Calls that nobody receives from Arrived are held like others.
func (g *Gate) Wait(ctx context.Context, c Call) {
	select {
	case g.arrived <- c:
	case <-g.open:
		return
	case <-ctx.Done():
		return
	}
	select {
	case <-g.open:
	case <-ctx.Done():
	}
}

// Arrived yields each call that stands at the gate, once.
func (g *Gate) Arrived() <-chan Call { return g.arrived }

// Open lets all calls through, those that wait and those to come.
func (g *Gate) Open() { g.once.Do(func() { close(g.open) }) }
