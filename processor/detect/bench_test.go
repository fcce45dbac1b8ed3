package detect

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/identity"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/rule/pack"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// history are the recorded events, in the order of their files.
func history(b *testing.B) (events []*cloudtrail.Event) {
	root := os.Getenv("CAIRN_DATA")
	if root == "" {
		b.Skip("set CAIRN_DATA to the data folder")
	}
	err := filepath.WalkDir(filepath.Join(root, "cloudtrail", "history"), func(p string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(p, ".gz") {
			return err
		}
		data, err := os.ReadFile(p)
		var decoder cloudtrail.Decoder
		records := decoder.Decode(data).Events
		for i := range records {
			events = append(events, &records[i])
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return events
}

// BenchmarkEvent is the cost of an event with the bundled rules, of matching
// alone and with all that follows.
func BenchmarkEvent(b *testing.B) {
	events := history(b)
	set, _, err := rule.Load(rule.Options{}, pack.FS())
	if err != nil {
		b.Fatal(err)
	}
	b.Run("match", func(b *testing.B) {
		m := set.Matcher()
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			m.Judge(&rule.Input{Event: events[i%len(events)]})
		}
	})
	b.Run("detect", func(b *testing.B) {
		in := &Event{Hash: key.HashOf("1")}
		var d *Detector
		b.ReportAllocs()
		latest := time.Time{}
		for i := 0; b.Loop(); i++ {
			if i%len(events) == 0 { // a second pass over the same times would find everything late
				d, latest = fresh(b, set), time.Time{}
			}
			e := events[i%len(events)]
			if e.Time.After(latest) {
				latest = e.Time
			}
			if _, err := d.Advance(latest.Add(-Lateness)); err != nil {
				b.Fatal(err)
			}
			in.Input, in.Arrival = rule.Input{Event: e, Actor: identity.Resolve(e)}, latest
			if _, err := d.Event(in); err != nil {
				b.Fatal(err)
			}
			if i%10_000 == 9_999 {
				if err := d.Flush(); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
}

// fresh is a detector without a past.
func fresh(b *testing.B, set *rule.Set) *Detector {
	store, err := state.Open("", state.Options{})
	if err != nil {
		b.Fatal(err)
	}
	d, err := Open(set, store, Options{Lateness: Lateness})
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// BenchmarkOpen is what a detector costs that takes a state over: 2,000 windows
// of baselines among 200,000 resources of 1,000 accounts.
func BenchmarkOpen(b *testing.B) {
	set, _, err := rule.Load(rule.Options{}, pack.FS())
	if err != nil {
		b.Fatal(err)
	}
	store, err := state.Open(b.TempDir(), state.Options{})
	if err != nil {
		b.Fatal(err)
	}
	d, err := Open(set, store, Options{Lateness: Lateness})
	if err != nil {
		b.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	for i := range 200_000 {
		account := fmt.Sprintf("%012d", i%1000)
		store.Put(key.Keyed(key.HashOf(account), key.Inventory, fmt.Appendf(nil, "%s/eu-west-1/AWS::EC2::Instance/i-%017x", account, i)), make([]byte, 200))
		if i%100 > 0 {
			continue
		}
		e, err := cloudtrail.Parse(fmt.Appendf(nil, `{"eventVersion":"1.08","eventTime":"2026-03-01T10:00:00Z","eventSource":"iam.amazonaws.com","eventName":"GetUser","eventType":"AwsApiCall",
			"eventID":"e-%d","errorCode":"AccessDenied","recipientAccountId":"%s","userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%s:user/u%d"}}`, i, account, account, i))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := d.Event(&Event{Input: rule.Input{Event: e, Actor: identity.Resolve(e)}, Hash: key.HashOf(account), Arrival: at}); err != nil {
			b.Fatal(err)
		}
	}
	if err := d.Flush(); err != nil {
		b.Fatal(err)
	}
	o := store.Freeze()
	if err := store.Apply(o, state.Marker{Checkpoint: 1, Epoch: 1}); err != nil {
		b.Fatal(err)
	}
	store.Freeze() // so that nothing is read from what was applied last
	for b.Loop() {
		if _, err := Open(set, store, Options{Lateness: Lateness, Watermark: at}); err != nil {
			b.Fatal(err)
		}
	}
	if err := store.Close(); err != nil {
		b.Fatal(err)
	}
}
