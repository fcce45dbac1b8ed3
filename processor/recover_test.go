package processor_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/processortest"
	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/manifest"
)

// traffic plays minutes of traffic into a fleet.
func (f *fleet) traffic(g *processortest.Generator, minutes int) {
	f.t.Helper()
	for range minutes * 12 {
		f.now = f.now.Add(5 * time.Second)
		p := g.Next(f.now)
		f.stream.Put(p.PartitionKey, p.Data, f.now)
		f.poll(10)
	}
}

// abandoned is a stream of one shard that was worked on for some minutes and
// then closed as by a crash, with rows in row logs.
func abandoned(t *testing.T) (*fleet, processortest.Shard) {
	t.Helper()
	f := newFleet(t, 1)
	f.traffic(processortest.NewGenerator(3, 4), 4)
	sh := f.stream.Shards()[0]
	f.forget(sh.ID)
	m := f.manifest(sh.ID)
	if len(m.RowLogs) == 0 || len(m.Segments) == 0 {
		t.Fatalf("%d row logs and %d segments: the test shows nothing", len(m.RowLogs), len(m.Segments))
	}
	return f, sh
}

func (f *fleet) manifest(shard string) *manifest.Manifest {
	f.t.Helper()
	m, err := manifest.ReadManifest(f.ctx, f.state, manifest.Key("cairn", "trail", shard))
	if err != nil {
		f.t.Fatal(err)
	}
	return m
}

// refused opens a shard and returns why that failed.
func (f *fleet) refused(sh processortest.Shard) error {
	f.t.Helper()
	s, err := processor.Open(f.ctx, f.config(sh))
	if err == nil {
		f.t.Error("the shard was opened")
		if err := s.Close(); err != nil {
			f.t.Error(err)
		}
		return nil
	}
	return err
}

// TestManifestOlderThanTheLeaseTableIsRefused, since going on from it would
// publish rows twice.
func TestManifestOlderThanTheLeaseTableIsRefused(t *testing.T) {
	f, sh := abandoned(t)
	k := manifest.Key("cairn", "trail", sh.ID)
	old, _, err := f.state.Get(f.ctx, k)
	if err != nil {
		t.Fatal(err)
	}
	f.traffic(processortest.NewGenerator(4, 4), 2)
	f.forget(sh.ID)
	if _, err := f.state.Put(f.ctx, k, old); err != nil {
		t.Fatal(err)
	}
	if err := f.refused(sh); !errors.Is(err, processor.ErrRolledBack) {
		t.Errorf("with an older manifest: %v", err)
	}
	if err := f.state.Delete(f.ctx, k); err != nil {
		t.Fatal(err)
	}
	if err := f.refused(sh); !errors.Is(err, processor.ErrRolledBack) {
		t.Errorf("without a manifest: %v", err)
	}
}

// TestDamageInTheStoreStopsTheShard, and the error names the object.
func TestDamageInTheStoreStopsTheShard(t *testing.T) {
	for _, what := range []string{"rows", "seg"} {
		for _, how := range []string{"flipped", "gone"} {
			t.Run(what+" "+how, func(t *testing.T) {
				f, sh := abandoned(t)
				f.local = t.TempDir() // another host: the cache does not help
				m := f.manifest(sh.ID)
				victim := m.RowLogs[0].Key
				if what == "seg" {
					victim = m.Segments[0].Key
				}
				data, _, err := f.state.Get(f.ctx, victim)
				if err != nil {
					t.Fatal(err)
				}
				if how == "gone" {
					err = f.state.Delete(f.ctx, victim)
				} else {
					data[len(data)/2] ^= 4
					_, err = f.state.Put(f.ctx, victim, data)
				}
				if err != nil {
					t.Fatal(err)
				}
				if err := f.refused(sh); err == nil || !strings.Contains(err.Error(), victim) {
					t.Errorf("the error does not name %s: %v", victim, err)
				}
				if after := f.manifest(sh.ID); after.Ckpt != m.Ckpt {
					t.Errorf("a shard that could not be restored has committed %d", after.Ckpt)
				}
			})
		}
	}
}

// TestLostStagedFileStopsTheShard: a file that is committed and neither on
// stage nor published is rows that nobody will ever see.
func TestLostStagedFileStopsTheShard(t *testing.T) {
	f, sh := abandoned(t)
	k := manifest.Key("cairn", "trail", sh.ID)
	handle, err := manifest.Open(f.ctx, f.state, k)
	if err != nil {
		t.Fatal(err)
	}
	next := handle.Current().Clone()
	next.Ckpt++
	next.Pending = []manifest.Pending{{Stage: "_stage/gone", Final: "events/dt=2026-03-01/gone.parquet", Table: "events"}}
	if err := handle.Commit(f.ctx, next); err != nil {
		t.Fatal(err)
	}
	if err := f.refused(sh); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

// TestTwoOwners: the one that was taken over cannot commit, and leaves nothing
// on its host.
func TestTwoOwners(t *testing.T) {
	f := newFleet(t, 1)
	g := processortest.NewGenerator(3, 4)
	f.traffic(g, 1)
	sh := f.stream.Shards()[0]
	old, cache := f.open[sh.ID], filepath.Join(f.local, "trail", sh.ID, "badger")
	delete(f.open, sh.ID)
	f.local = t.TempDir()
	f.traffic(g, 1) // by another owner, on another host
	batch := func() *processor.Batch {
		f.now = f.now.Add(time.Minute)
		return processor.DecodeRecords(&f.decoder, []processor.Record{{Sequence: "9" + strings.Repeat("0", 40), PartitionKey: "a", Data: []byte("x"), Arrival: f.now}}, f.now)
	}
	err := old.Process(f.ctx, batch())
	for range 100 {
		if err != nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
		err = old.Process(f.ctx, batch())
	}
	if !errors.Is(err, manifest.ErrFenced) {
		t.Errorf("the old owner goes on: %v", err)
	}
	if err := old.Close(); !errors.Is(err, manifest.ErrFenced) {
		t.Errorf("close: %v", err)
	}
	if _, err := os.Stat(cache); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the cache of a fenced owner is still there: %v", err)
	}
	f.traffic(g, 1)
}

// interrupted lets something happen before the first conditional write.
type interrupted struct {
	blob.Store
	first func()
}

func (i *interrupted) PutIf(ctx context.Context, key string, data []byte, etag string) (string, error) {
	if meddle := i.first; meddle != nil {
		i.first = nil
		meddle()
	}
	return i.Store.PutIf(ctx, key, data, etag)
}

// TestACommitDoesNotKeepTheNextOwnerOut: the old owner commits between the look
// and the write of the new one, who looks again and has what it committed.
func TestACommitDoesNotKeepTheNextOwnerOut(t *testing.T) {
	f := newFleet(t, 1)
	f.traffic(processortest.NewGenerator(3, 4), 1)
	sh := f.stream.Shards()[0]
	old, committed := f.open[sh.ID], int64(0)
	cfg := f.config(sh)
	cfg.Local = t.TempDir()
	cfg.State = &interrupted{Store: f.state, first: func() {
		if err := old.Release(f.ctx, f.now.Add(time.Minute), false); err != nil {
			t.Error(err)
		}
		committed = f.manifest(sh.ID).Ckpt
	}}
	before := f.manifest(sh.ID).Ckpt
	s, err := processor.Open(f.ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if m := s.Manifest(); committed <= before || m.Ckpt != committed || m.Epoch != 2 {
		t.Errorf("it took over checkpoint %d in epoch %d; %d was there when it looked, %d when it wrote", m.Ckpt, m.Epoch, before, committed)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestAChildWaitsForItsParents, of which one has no manifest and one is not
// closed.
func TestAChildWaitsForItsParents(t *testing.T) {
	f := newFleet(t, 2)
	f.traffic(processortest.NewGenerator(3, 4), 1)
	shards := f.stream.Shards()
	if !f.stream.Merge(shards[0].ID, shards[1].ID) {
		t.Fatal("not merged")
	}
	child := f.stream.Shards()[2]
	if err := f.refused(child); !errors.Is(err, processor.ErrParentOpen) {
		t.Errorf("both parents at work: %v", err)
	}
	f.open[shards[0].ID].Lost(manifest.Gap{From: "1", To: "5", Reason: "retention"})
	if err := f.open[shards[0].ID].End(f.ctx, f.now); err != nil {
		t.Fatal(err)
	}
	if err := f.refused(child); !errors.Is(err, processor.ErrParentOpen) {
		t.Errorf("one parent at work: %v", err)
	}
	f.poll(1000)
	if len(f.manifest(child.ID).Parents) != 2 {
		t.Error("the child has not both parents")
	}
	gaps := 0
	each(t, f.lake, func(r *export.ProgressRow) {
		if slices.Contains(r.Gaps, export.Gap{FromSequence: "1", ToSequence: "5", Reason: "retention"}) {
			gaps++
		}
		if r.Shard == shards[0].ID && !r.Closed {
			t.Errorf("the last report of %s does not say that it is closed", r.Shard)
		}
	})
	if gaps == 0 || len(f.manifest(shards[0].ID).Gaps) != 1 {
		t.Errorf("the gap is in %d reports and %d times in the manifest", gaps, len(f.manifest(shards[0].ID).Gaps))
	}
}

// TestTheEndOfAShardIsSaidAgain: a crash between the last commit and the lease
// table leaves a closed manifest, of which the next owner tells.
func TestTheEndOfAShardIsSaidAgain(t *testing.T) {
	f, sh := abandoned(t)
	s := f.shard(sh)
	if err := s.End(f.ctx, f.now); err != nil {
		t.Fatal(err)
	}
	f.forget(sh.ID)
	before := f.manifest(sh.ID)
	delete(f.hints, sh.ID)
	cfg, away := f.config(sh), errors.New("the table is away")
	cfg.Checkpoint = func(context.Context, string) error { return away }
	deaf, err := processor.Open(f.ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(deaf.End(f.ctx, f.now), deaf.Close()); !errors.Is(err, away) {
		t.Errorf("an end that the lease table did not hear of: %v", err)
	}
	if err := f.shard(sh).End(f.ctx, f.now); err != nil {
		t.Fatal(err)
	}
	f.forget(sh.ID)
	after := f.manifest(sh.ID)
	if f.hint(sh.ID) != processor.ShardEnd || after.Ckpt != before.Ckpt || !after.Closed || len(after.RowLogs)+len(after.Pending) > 0 {
		t.Errorf("hint %s, checkpoint %d after %d, closed %v", f.hint(sh.ID), after.Ckpt, before.Ckpt, after.Closed)
	}
}

// TestAStreamMadeAgainIsRefused: its sequence numbers are others.
func TestAStreamMadeAgainIsRefused(t *testing.T) {
	f, sh := abandoned(t)
	cfg := f.config(sh)
	cfg.Source = func(string) string { return "arn:trail made again" }
	if s, err := processor.Open(f.ctx, cfg); err == nil || !strings.Contains(err.Error(), "made again") {
		t.Errorf("got %v", err)
		if s != nil {
			_ = s.Close()
		}
	}
}
