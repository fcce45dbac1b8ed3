package kcl

import (
	"math/big"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/config"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/interfaces"
	"github.com/vmware/vmware-go-kcl-v2/clientlibrary/metrics"
	par "github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"

	"github.com/cairnstream/cairn/processor"
)

// How the library is set, where its own value would do harm (README.md).
const (
	leaseLook    = time.Second // between two looks of a consumer at its lease
	readRecords  = 2000        // at most per read, about 2 MB: what a shard gives in a second
	manyRetries  = 1_000_000   // of throttled reads: throttling is no reason to give a shard up
	noShardLimit = 32767
)

func (w *Worker) settings(fanOutARN string) *config.KinesisClientLibConfiguration {
	c := config.NewKinesisClientLibConfig(w.cfg.App, w.cfg.Stream, w.cfg.Kinesis.Options().Region, w.cfg.Worker).
		WithTableName(w.cfg.Table).
		WithInitialPositionInStream(config.TRIM_HORIZON).
		WithFailoverTimeMillis(int(w.cfg.Lease.Milliseconds())).
		WithLeaseRefreshPeriodMillis(int(leaseLook.Milliseconds())).
		WithLeaseRefreshWaitTime(int(min(leaseLook, w.cfg.sync).Milliseconds())).
		WithShardSyncIntervalMillis(int(w.cfg.sync.Milliseconds())).
		WithLeaseStealing(true).
		WithLeaseStealingIntervalMillis(int(w.cfg.sync.Milliseconds())).
		WithIdleTimeBetweenReadsInMillis(int(w.cfg.ReadEvery.Milliseconds())).
		WithMaxRecords(readRecords).
		WithMaxRetryCount(manyRetries).
		WithMaxLeasesForWorker(noShardLimit).
		WithCallProcessRecordsEvenForEmptyRecordList(true).
		WithLogger(libraryLog{w.cfg.Log}).
		WithMonitoringService(monitor{metrics: w.cfg.Metrics})
	c.ParentShardPollIntervalMillis = int(w.cfg.sync.Milliseconds())
	if w.cfg.MaxShards > 0 {
		c.WithMaxLeasesForWorker(w.cfg.MaxShards)
	}
	if fanOutARN != "" {
		c.WithEnhancedFanOutConsumerARN(fanOutARN)
	}
	return c
}

// checkpointer is the library's view of the leases. A fan-out consumer looks at
// its lease when the timeout that the status names comes near; it is named anew
// with each look.
func (w *Worker) checkpointer(settings *config.KinesisClientLibConfiguration) *checkpointer {
	c := &checkpointer{leases: w.leases, worker: w.cfg.Worker, position: w.cfg.Position}
	if settings.EnableEnhancedFanOutConsumer {
		ahead := time.Duration(settings.LeaseRefreshPeriodMillis)*time.Millisecond + leaseLook
		c.tick = func(s *par.ShardStatus) { s.SetLeaseTimeout(time.Now().Add(ahead)) }
	}
	return c
}

// info gathers what is known of a shard.
func (w *Worker) info(h *lease) ShardInfo {
	i := ShardInfo{Stream: w.stream, Shard: h.shard, Hint: h.hint}
	i.Parents, _ = w.shards.parents(h.shard)
	if s, ok := w.shards.shard(h.shard); ok && s.HashKeyRange != nil {
		i.HashRange = [2]string{aws.ToString(s.HashKeyRange.StartingHashKey), aws.ToString(s.HashKeyRange.EndingHashKey)}
		i.HashShare = share(i.HashRange)
	}
	i.Checkpoint = w.checkpointOf(h)
	return i
}

// share is the part of all 2^128 hash keys that a range has.
func share(hashes [2]string) float64 {
	var first, last, all big.Int
	first.SetString(hashes[0], 10)
	last.SetString(hashes[1], 10)
	last.Sub(&last, &first).Add(&last, big.NewInt(1))
	part, _ := new(big.Rat).SetFrac(&last, all.Lsh(big.NewInt(1), 128)).Float64()
	return part
}

// recordProcessor is the library's side of a consumer. The library calls it from
// one goroutine, Initialize first.
type recordProcessor struct {
	worker   *Worker
	consumer *consumer
}

// Initialize begins to open the shard and returns.
func (p *recordProcessor) Initialize(in *interfaces.InitializationInput) {
	h := p.worker.leases.lease(in.ShardId)
	if h == nil {
		return // lost before anything was read; the library will notice
	}
	p.consumer = newConsumer(p.worker, h)
	go p.consumer.open(p.worker.enter(p.consumer))
}

// ProcessRecords waits until the shard is open, and hands it what was read.
func (p *recordProcessor) ProcessRecords(in *interfaces.ProcessRecordsInput) {
	if p.consumer == nil {
		return
	}
	records := make([]processor.Record, len(in.Records))
	for i, r := range in.Records {
		records[i] = processor.Record{
			Sequence:     aws.ToString(r.SequenceNumber),
			PartitionKey: aws.ToString(r.PartitionKey),
			Data:         r.Data,
			Arrival:      aws.ToTime(r.ApproximateArrivalTimestamp),
		}
	}
	p.consumer.process(records, in.MillisBehindLatest == 0)
}

// Shutdown ends the shard if it was read to its end. Before a stop of the worker
// there is nothing to do here: the shards are given up before the library is.
func (p *recordProcessor) Shutdown(in *interfaces.ShutdownInput) {
	if p.consumer == nil || in.ShutdownReason != interfaces.TERMINATE {
		return
	}
	p.consumer.end(func() error { return in.Checkpointer.Checkpoint(nil) })
}

// monitor takes the library's figures. Those of leases and reads are counted
// where they are made.
type monitor struct {
	metrics.NoopMonitoringService
	metrics *Metrics
}

// DeleteMetricMillisBehindLatest tells that a shard is not read any more.
func (m monitor) DeleteMetricMillisBehindLatest(shard string) { m.metrics.unread(shard) }
