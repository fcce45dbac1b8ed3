package fleet

import (
	"context"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/rule"
)

// member is a shard in the hands of this worker.
type member struct {
	*processor.Shard
	worker *Worker
	id     string
	using  *rule.Set
	book   *account.Book // in use
	// complete is a time of arrival up to which all records are in; zero when
	// nothing was read yet.
	complete time.Time
	looked   time.Time // when a gap was last looked for between two batches
}

// tipMargin is what a record may need from its arrival until a read at the tip
// returns it.
const tipMargin = 30 * time.Second

// Process takes in a batch, under the rules of the moment.
func (m *member) Process(ctx context.Context, b *processor.Batch) error {
	if err := m.follow(); err != nil {
		return err
	}
	if len(b.Items) > 0 {
		if err := m.worker.lookForGap(ctx, m, b.Now, b.Items[0].Sequence); err != nil {
			return err
		}
	}
	if err := m.Shard.Process(ctx, b); err != nil {
		return err
	}
	m.completeTo(m.Arrival())
	return nil
}

// Idle tells that the shard is at its tip.
func (m *member) Idle(ctx context.Context, now time.Time) error {
	if err := m.follow(); err != nil {
		return err
	}
	m.completeTo(now.Add(-tipMargin))
	return m.Shard.Idle(ctx, now)
}

func (m *member) completeTo(t time.Time) {
	if t.After(m.complete) {
		m.complete = t
	}
}

func (m *member) follow() error {
	if book := m.worker.cfg.Accounts.Book(); book != m.book {
		m.book = book
		m.UseAccounts(book)
	}
	set := m.worker.cfg.Rules.Set()
	if set == m.using {
		return nil
	}
	m.using = set
	return m.UseRules(set)
}

// Close gives the shard up.
func (m *member) Close() error {
	m.worker.cfg.Metrics.closed(m.id)
	return m.Shard.Close()
}
