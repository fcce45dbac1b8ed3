package fleet

import (
	"context"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/rule"
)

// member is a shard in the hands of this worker.
type member struct {
	*processor.Shard
	id      string
	rules   *Rules
	using   *rule.Set
	metrics *Metrics
}

// Process takes in a batch, under the rules of the moment.
func (m *member) Process(ctx context.Context, b *processor.Batch) error {
	if err := m.follow(); err != nil {
		return err
	}
	return m.Shard.Process(ctx, b)
}

// Idle tells that the shard is at its tip.
func (m *member) Idle(ctx context.Context, now time.Time) error {
	if err := m.follow(); err != nil {
		return err
	}
	return m.Shard.Idle(ctx, now)
}

func (m *member) follow() error {
	set := m.rules.Set()
	if set == m.using {
		return nil
	}
	m.using = set
	return m.UseRules(set)
}

// Close gives the shard up.
func (m *member) Close() error {
	m.metrics.closed(m.id)
	return m.Shard.Close()
}
