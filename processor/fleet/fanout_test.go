package fleet

import (
	"testing"

	"github.com/cairnstream/cairn/deploy/local"
)

// Real shards behind enhanced fan-out: all events once, and none is polled for.
func TestWorkerWithFanOut(t *testing.T) {
	p := onStreamOf(t, emulator(t, local.NameKinesisLocal), 2, single(created))
	p.cfg.FanOut = "cairn"
	p.put(events(1, 40, created)...)
	first := p.run()
	p.eventually("what was there is committed", func() bool { return p.sum().Rows == 40 })
	p.put(events(41, 80, created)...)
	p.eventually("what came is committed", func() bool { return p.sum().Rows == 80 })
	page := p.page()
	for _, shard := range []string{theShard, "shardId-000000000001"} {
		within(t, page, "cairn_kcl_lag_records "+shard, 0, 1000)
		within(t, page, "cairn_kcl_read_age_seconds "+shard, 0, 30)
	}
	within(t, page, "cairn_kcl_records_total", 80, 80)
	within(t, page, "cairn_kcl_read_seconds", 0, 0) // those are of polls
	first.stop()

	p.put(events(81, 100, created)...) // while nobody is there
	p.cfg.Metrics = NewMetrics()
	second := p.run()
	p.eventually("the rest is committed", func() bool { return p.sum().Rows == 100 })
	second.stop()
	if c := p.sum(); c.Duplicates != 0 || c.Findings != 100 {
		t.Errorf("counts %+v, want 100 findings and no duplicate", c)
	}
	if errs := p.log.lines("level=ERROR"); len(errs) != 0 {
		t.Errorf("errors in the log: %v", errs)
	}
}
