package processor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/state/blob"
	"github.com/cairnstream/cairn/state/ids"
	"github.com/cairnstream/cairn/state/key"
	"github.com/cairnstream/cairn/state/manifest"
)

// packer is a shard reduced to its event ids: the set, the D rows that its
// segments would have, and its manifest. An hour of more than two ids is packed.
type packer struct {
	t     interface{ Fatal(...any) }
	store blob.Store
	ids   *dedup
	rows  map[string]bool
	m     *manifest.Manifest
	at    time.Time // watermark
	known map[string]bool
}

func newPacker(t interface{ Fatal(...any) }, store blob.Store, shard string) *packer {
	p := &packer{t: t, store: store, rows: map[string]bool{}, known: map[string]bool{},
		m: &manifest.Manifest{Format: manifest.Format, App: "cairn", Stream: "s", Shard: shard, Writer: "w", Epoch: 1, Watermark: noon}}
	p.open()
	return p
}

// open is what the next owner does after a crash.
func (p *packer) open() {
	p.ids = newDedup()
	p.ids.packed.above = 2
	p.ids.attach(context.Background(), p.store, p.m)
	for _, row := range slices.Sorted(maps.Keys(p.rows)) {
		if err := p.ids.load([]byte(row), p.m.Watermark); err != nil {
			p.t.Fatal(err)
		}
	}
	p.at = p.m.Watermark
	p.m.Epoch++
}

// commit carries a commit out; with crash it ends after the uploads.
func (p *packer) commit(crash bool, beside func()) {
	next := p.m.Clone()
	next.Ckpt++
	next.Watermark = p.at
	packed, err := p.ids.pack(next)
	if err != nil {
		p.t.Fatal(err)
	}
	fresh := p.ids.take()
	beside() // the owner goes on while the commit is in flight
	removals, err := packed.write(context.Background(), p.store, next)
	if err != nil {
		p.t.Fatal(err)
	}
	if crash {
		return
	}
	for _, row := range fresh {
		p.rows[string(row[:])] = true
	}
	for _, row := range removals {
		if !row.Deleted || !p.rows[string(row.Key)] {
			p.t.Fatal("a removal of a row that no segment has")
		}
		delete(p.rows, string(row.Key))
	}
	p.m = next
}

// send sends an event and tells whether it was new; within the horizon that
// must be what the model says.
func (p *packer) send(id string, at time.Time) {
	name := fmt.Sprint(key.Hour(at), id)
	seen := p.ids.seen(id, at, p.at)
	if err := p.ids.failed(); err != nil {
		p.t.Fatal(err)
	}
	if behind := at.Before(p.at.Add(-horizon)); behind && seen || !behind && seen != p.known[name] {
		p.t.Fatal("event", name, "seen", seen, "known", p.known[name], "watermark", p.at)
	}
	if !at.Before(p.at.Add(-horizon)) {
		p.known[name] = true
	}
}

func (p *packer) advance(by time.Duration) {
	p.at = p.at.Add(by)
	p.ids.expire(p.at)
}

// TestPackedHoursAnswerAsRowsDo: whatever is packed, restored, split or merged
// in between, an event within the horizon is known exactly if it was there.
func TestPackedHoursAnswerAsRowsDo(t *testing.T) {
	packedOnce := 0
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "packed-*")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		store, err := blob.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		p := newPacker(t, store, "a")
		send := func() {
			for range rapid.IntRange(1, 12).Draw(t, "events") {
				p.send(fmt.Sprint(rapid.IntRange(0, 9).Draw(t, "id")), p.at.Add(-time.Duration(rapid.IntRange(-1, 30).Draw(t, "hours ago"))*time.Hour))
			}
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			switch rapid.IntRange(0, 9).Draw(t, "step") {
			case 0, 1, 2, 3:
				send()
			case 4, 5:
				p.advance(time.Duration(rapid.IntRange(1, 300).Draw(t, "minutes")) * time.Minute)
			case 6, 7:
				p.commit(false, send)
			case 8:
				p.crash(rapid.Bool().Draw(t, "in commit"), send)
			case 9:
				p.reshard(t)
			}
		}
		packedOnce += len(p.m.Dedup)
	})
	if packedOnce == 0 {
		t.Error("no run packed anything: this tests nothing")
	}
}

// crash loses what no commit has; the model forgets it as well.
func (p *packer) crash(inCommit bool, send func()) {
	if inCommit {
		p.commit(true, send)
	}
	p.known = p.committed()
	p.open()
}

// committed is what the rows and the packed hours say, read by other means than
// the set's.
func (p *packer) committed() map[string]bool {
	out := map[string]bool{}
	for row := range p.rows {
		hour, event, _ := key.ParseDedup([]byte(row))
		out[p.name(hour, event)] = true
	}
	for _, ref := range p.m.Dedup {
		data, _, err := p.store.Get(context.Background(), ref.Key)
		if err != nil {
			p.t.Fatal(err)
		}
		sets, _, err := ids.Decode(data)
		if err != nil {
			p.t.Fatal(err)
		}
		for _, h := range ref.Hours {
			for i := range sets[h.Hour].Len() {
				out[p.name(h.Hour, sets[h.Hour].At(i))] = true
			}
		}
	}
	return out
}

// name finds the id that event stands for.
func (p *packer) name(hour int64, event key.EventID) string {
	for i := range 10 {
		if id := fmt.Sprint(i); key.EventIDOf(id) == event {
			return fmt.Sprint(hour, id)
		}
	}
	p.t.Fatal("unknown id", event)
	return ""
}

// reshard ends the shard and goes on with a child of it and of another one that
// knew other ids: both children of a split, and that of a merge, inherit all.
func (p *packer) reshard(t *rapid.T) {
	p.commit(false, func() {})
	other := newPacker(p.t, p.store, p.m.Shard+"b") // a name is never used again
	other.at, other.m.Watermark = p.at, p.at
	hour := p.at.Add(-time.Duration(rapid.IntRange(3, 20).Draw(t, "other's hour")) * time.Hour)
	for i := range rapid.IntRange(0, 5).Draw(t, "other's events") {
		other.send(fmt.Sprint(9-i), hour)
	}
	other.commit(false, func() {})
	child := p.m.Clone()
	child.Shard, child.Epoch, child.Dedup = p.m.Shard+"c", 0, slices.Concat(p.m.Dedup, other.m.Dedup)
	maps.Copy(p.rows, other.rows)
	p.m = child
	p.known = p.committed()
	p.open()
}

// TestPacksWhatHasPassed holds the rule: two hours behind the watermark and
// more ids than the limit; ids packed at once never become rows.
func TestPacksWhatHasPassed(t *testing.T) {
	store, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := newPacker(t, store, "a")
	for i := range 3 {
		p.send(fmt.Sprint(i), noon)
		p.send(fmt.Sprint(i), noon.Add(time.Hour))
	}
	p.send("1", noon.Add(-time.Hour))
	p.send("2", noon.Add(-time.Hour)) // two only
	p.commit(false, func() {})
	if p.advance(179 * time.Minute); len(p.rows) != 8 || len(p.m.Dedup) != 0 {
		t.Fatalf("%d rows, %d objects before anything has passed", len(p.rows), len(p.m.Dedup))
	}
	p.commit(false, func() {})
	if len(p.m.Dedup) != 0 {
		t.Fatal("packed an hour that ended less than two hours ago")
	}
	p.advance(time.Minute)
	p.commit(false, func() {})
	if len(p.m.Dedup) != 1 || len(p.m.Dedup[0].Hours) != 1 || p.m.Dedup[0].Hours[0].Hour != key.Hour(noon) || len(p.rows) != 5 {
		t.Fatalf("%+v, %d rows", p.m.Dedup, len(p.rows))
	}
	if len(p.ids.hours) != 2 {
		t.Errorf("%d hours in RAM, want the small one and the recent one", len(p.ids.hours))
	}
	for i := range 4 { // late, to the packed hour: three duplicates and a new one
		p.send(fmt.Sprint(i), noon)
	}
	p.commit(false, func() {})
	if len(p.rows) != 6 || len(p.m.Dedup) != 1 {
		t.Errorf("%d rows, %d objects after a late event", len(p.rows), len(p.m.Dedup))
	}
	p.advance(horizon)
	p.commit(false, func() {})
	if len(p.m.Dedup) != 0 {
		t.Errorf("behind the horizon, and still in the manifest: %+v", p.m.Dedup)
	}
}

func TestIDsPackedAtOnceAreNoRows(t *testing.T) {
	store, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := newPacker(t, store, "a")
	for i := range 5 {
		p.send(fmt.Sprint(i), noon)
	}
	p.advance(5 * time.Hour) // a replay passes hours between two commits
	p.commit(false, func() {})
	if len(p.rows) != 0 || len(p.m.Dedup) != 1 || p.m.Dedup[0].Hours[0].IDs != 5 {
		t.Errorf("%d rows, %+v", len(p.rows), p.m.Dedup)
	}
}

// TestPackedHoursAreReadWhenNeeded: none at the start, at most four kept, and
// one that cannot be read ends the shard before its next commit.
func TestPackedHoursAreReadWhenNeeded(t *testing.T) {
	store, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := newPacker(t, store, "a")
	for h := range 6 {
		for i := range 3 {
			p.send(fmt.Sprint(i), noon.Add(time.Duration(h)*time.Hour))
		}
	}
	p.advance(12 * time.Hour)
	p.commit(false, func() {})
	p.open()
	var read []int64
	under := p.ids.packed.read
	p.ids.packed.read = func(place packedPlace) (ids.Set, error) {
		read = append(read, place.hour.Hour-key.Hour(noon))
		return under(place)
	}
	for _, h := range []int{0, 1, 0, 2, 3, 4, 0, 1} { // 4 drops 1, for 0 was used since
		p.send("1", noon.Add(time.Duration(h)*time.Hour))
	}
	if want := []int64{0, 1, 2, 3, 4, 1}; !slices.Equal(read, want) {
		t.Errorf("read hours %v, want %v", read, want)
	}
	if len(p.ids.packed.recent) != packedInRAM {
		t.Errorf("%d hours kept, want %d", len(p.ids.packed.recent), packedInRAM)
	}
	if err := store.Delete(context.Background(), p.m.Dedup[0].Key); err != nil {
		t.Fatal(err)
	}
	p.ids.seen("9", noon.Add(5*time.Hour), p.at)
	_, err = p.ids.pack(p.m.Clone())
	if !errors.Is(err, blob.ErrNotFound) || !strings.Contains(err.Error(), "look up an event id") {
		t.Errorf("a commit after a failed look-up: %v", err)
	}
}

// TestLookUpsBesideAWrite: the owner goes on looking up what a commit packs. It
// is for the race detector; the answers are held too.
func TestLookUpsBesideAWrite(t *testing.T) {
	store, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := newPacker(t, store, "a")
	for i := range 2000 {
		p.send(fmt.Sprint(i), noon)
	}
	p.advance(5 * time.Hour)
	next := p.m.Clone()
	next.Watermark = p.at
	packed, err := p.ids.pack(next)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		_, err := packed.write(context.Background(), store, next)
		done <- err
	}()
	for i := range 4000 {
		p.send(fmt.Sprint(i), noon)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if len(next.Dedup) != 1 || next.Dedup[0].Hours[0].IDs != 2000 || len(p.ids.fresh) != 2000 {
		t.Errorf("%+v, %d fresh", next.Dedup, len(p.ids.fresh))
	}
}
