package processor_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"testing/fstest"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/processortest"
	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
)

// simRules are few, but each kind of finding is among them.
var simRules = sync.OnceValue(func() *rule.Set {
	set, _, err := rule.Load(rule.Options{}, fstest.MapFS{"rules/user.yml": {Data: []byte(`
title: A user was made
id: 8f1b7c0e-1d1c-4b57-9a53-0a3c7de0a001
name: user_made
status: stable
description: A user was made.
author: Cairn
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: iam.amazonaws.com, eventName: [CreateUser, CreateAccessKey]}
  condition: selection
level: high
`)}, "rules/windows.yml": {Data: []byte(simWindows)}})
	if err != nil {
		panic(err)
	}
	return set
})

// simWindows are a count and an absence, which only the watermark decides.
const simWindows = `
title: Many buckets were made
id: 8f1b7c0e-1d1c-4b57-9a53-0a3c7de0a002
name: bucket_burst
author: Cairn
correlation:
  type: event_count
  rules: [part_bucket]
  group-by: [recipientAccountId]
  timespan: 30m
  condition: {gte: 2}
level: medium
---
title: A bucket was touched
id: 8f1b7c0e-1d1c-4b57-9a53-0a3c7de0a003
name: part_bucket
author: Cairn
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventSource: s3.amazonaws.com}
  condition: selection
level: informational
---
title: An instance was started and not ended
id: 8f1b7c0e-1d1c-4b57-9a53-0a3c7de0a004
name: instance_left
author: Cairn
correlation:
  type: temporal_ordered
  rules: [part_started, part_ended]
  group-by: [recipientAccountId]
  timespan: 20m
  condition: part_started and not part_ended
level: high
---
title: An instance was started
id: 8f1b7c0e-1d1c-4b57-9a53-0a3c7de0a005
name: part_started
author: Cairn
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: RunInstances}
  condition: selection
level: informational
---
title: An instance was ended
id: 8f1b7c0e-1d1c-4b57-9a53-0a3c7de0a006
name: part_ended
author: Cairn
logsource: {product: aws, service: cloudtrail}
detection:
  selection: {eventName: TerminateInstances}
  condition: selection
level: informational
`

var simCatalogue = sync.OnceValue(func() *resource.Catalogue {
	c, err := resource.LoadCatalogue()
	if err != nil {
		panic(err)
	}
	return c
})

// choose picks the settings of a seed.
func (w *world) choose() settings {
	pick := func(d ...time.Duration) time.Duration { return d[w.rand.IntN(len(d))] }
	set := settings{
		shards: 1 + w.rand.IntN(3), accounts: 2 + w.rand.IntN(4), limit: 1 + w.rand.IntN(12),
		faults: w.rand.IntN(80), crashes: w.rand.IntN(25), takeovers: w.rand.IntN(20), reshards: w.rand.IntN(12),
		rename: w.rand.IntN(2) == 0, mixed: w.rand.IntN(4) == 0, idle: w.rand.IntN(6) == 0,
	}
	set.config = processor.Config{
		App: "cairn", Stream: "events", Rules: simRules(), Catalogue: simCatalogue(),
		Source:   func(string) string { return "arn:aws:kinesis:eu-west-1:111122223333:stream/events" },
		Lateness: pick(5*time.Minute, 20*time.Minute), SnapshotEvery: time.Hour, KeepTombstones: 30 * 24 * time.Hour,
		CommitRecords: []int64{1, 2, 5, 10, 40, 500_000}[w.rand.IntN(6)], CommitBytes: 32 << 20, CommitEvery: pick(time.Second, 10*time.Second, 5*time.Minute), Encoders: 1,
		Roll: processor.Roll{Age: pick(time.Second, 5*time.Minute, time.Hour), Bytes: 128 << 20, ReportAge: pick(time.Minute, 15*time.Minute), Days: 2 + w.rand.IntN(3)},
	}
	if w.rand.IntN(5) == 0 { // as in a replay, which has neither clock nor row logs
		set.config.CommitEvery, set.config.Roll = 0, processor.Roll{}
	}
	if set.idle {
		w.logf("idle shards move their watermark")
	}
	w.logf("%d shards, %d accounts, %d records a read, faults %d, crashes %d, takeovers %d, reshards %d; commit every %v or %d records, roll after %v",
		set.shards, set.accounts, set.limit, set.faults, set.crashes, set.takeovers, set.reshards,
		set.config.CommitEvery, set.config.CommitRecords, set.config.Roll.Age)
	return set
}

// config is that of a worker with a shard.
func (x *tenure) config(ctx context.Context, lease processortest.Lease) processor.Config {
	w, worker, shard := x.world, x.worker, x.shard
	s, c := w.shard(shard), w.set.config
	if x.host != nil {
		c.Local = x.host.dir
	}
	c.Shard, c.HashRange, c.HashShare, c.Parents = shard, s.HashRange(), s.Share(), s.Parents
	c.State, c.Lake = w.state.As(worker, w.gate), w.lake.As(worker, w.gate)
	h := fnv.New64a()
	fmt.Fprint(h, worker)
	c.Writer = fmt.Sprintf("%016x", h.Sum64())
	c.Hint = lease.Checkpoint
	c.Outbox, c.Alerts = &outbox{w, ctx, worker}, alerts
	c.Checkpoint = func(ctx context.Context, sequence string) error {
		return w.leases.Checkpoint(ctx, worker, shard, lease.Token, sequence)
	}
	return c
}
