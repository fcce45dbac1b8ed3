package forward

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/replay"
)

// seen is what of an event must be the same behind the stream.
type seen struct {
	Account, ID string
	Kind        cloudtrail.Kind
	Raw         string
}

func seenIn(r *cloudtrail.Records) (out []seen) {
	for i := range r.Events {
		e := &r.Events[i]
		s := seen{Account: e.Account(), ID: e.ID, Kind: e.Kind}
		if e.Kind != cloudtrail.Health { // its record is made by the decoder from an envelope
			s.Raw = string(e.Raw)
		}
		out = append(out, s)
	}
	return out
}

// decoded is what a consumer of the target finds.
func (k *target) decoded() (events []seen, rejects []cloudtrail.Reject) {
	var d cloudtrail.Decoder
	for _, r := range k.records {
		got := d.Decode(r.Data)
		events = append(events, seenIn(&got)...)
		rejects = append(rejects, got.Rejects...)
	}
	return events, rejects
}

// TestEveryFormArrivesAsItIs forwards one payload of each form in which records
// are met: the same events and as many rejects come out behind the stream.
func TestEveryFormArrivesAsItIs(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("..", "cloudtrail", "testdata", "forms", "*"))
	if err != nil || len(files) < 30 {
		t.Fatalf("%d forms: %v", len(files), err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			payload, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var d cloudtrail.Decoder
			records := d.Decode(payload)
			k := &target{t: t}
			f := New(k.stream(nil))
			if err := f.take(t.Context(), file, "", &records); err != nil {
				t.Fatal(err)
			}
			if err := f.stream.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			events, rejects := k.decoded()
			byAccount := func(s []seen) map[string][]seen {
				out := map[string][]seen{}
				for _, e := range s {
					out[e.Account] = append(out[e.Account], e)
				}
				return out
			}
			if diff := cmp.Diff(byAccount(seenIn(&records)), byAccount(events)); diff != "" {
				t.Errorf("events (-in +out):\n%s", diff)
			}
			for i := range records.Rejects {
				if i < len(rejects) && rejects[i].Reason != records.Rejects[i].Reason {
					t.Errorf("rejected as %q, behind the stream as %q", records.Rejects[i].Reason, rejects[i].Reason)
				}
			}
			c := f.Counts()
			if len(rejects) != len(records.Rejects) || c.Undecodable != int64(len(rejects)) || c.Events != int64(len(events)) || c.Control != int64(records.Control) || c.Lost != 0 {
				t.Errorf("%d rejects became %d; counted %+v", len(records.Rejects), len(rejects), c)
			}
		})
	}
}

func TestPartitionKeys(t *testing.T) {
	tests := []struct{ name, account, path, want string }{
		{"the recipient", "111122223333", "444455556666", "111122223333"},
		{"the account of the path", "", "444455556666", "444455556666"},
		{"none at all", "", "", NoAccount},
		{"longer than Kinesis takes", strings.Repeat("1", 257), "444455556666", NoAccount},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var d cloudtrail.Decoder
			records := d.Decode([]byte(record("1", test.account, 300)))
			k := &target{t: t}
			f := New(k.stream(nil))
			if err := f.take(t.Context(), "file", test.path, &records); err != nil {
				t.Fatal(err)
			}
			if err := f.stream.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			if len(k.records) != 1 || *k.records[0].PartitionKey != test.want {
				t.Errorf("%d records, key %q, want one under %q", len(k.records), *k.records[0].PartitionKey, test.want)
			}
		})
	}
}

// TestWhatCannotBeForwardedIsTold: an end that is missing is nothing that could
// be put on a stream, and a record that is too large does not fit.
func TestWhatCannotBeForwardedIsTold(t *testing.T) {
	f := New((&target{t: t}).stream(nil))
	f.stream.limit = 1000
	records := cloudtrail.Records{Rejects: []cloudtrail.Reject{{Ordinal: 3, Reason: "truncated"}}}
	if err := f.take(t.Context(), "a.json", "", &records); err != nil {
		t.Fatal(err)
	}
	big := make([]byte, maxRecord+1)
	for i := range big {
		big[i] = byte(i * i >> 7)
	}
	records = cloudtrail.Records{Rejects: []cloudtrail.Reject{{Ordinal: 0, Reason: "not json", Raw: big}}}
	if err := f.take(t.Context(), "b.json", "", &records); err != nil {
		t.Fatal(err)
	}
	want := []Problem{
		{File: "a.json", Record: 3, Reason: "the end is missing: truncated"},
		{File: "b.json", Record: 0, Size: len(big), Reason: errTooLarge.Error()},
	}
	if diff := cmp.Diff(want, f.Problems); diff != "" || f.Counts().Lost != 2 {
		t.Errorf("%d lost; problems (-want +got):\n%s", f.Counts().Lost, diff)
	}
}

// TestFiles forwards the bundled sample: each event once, in the order of the
// files within its account.
func TestFiles(t *testing.T) {
	in, err := replay.ListFS(gen.Sample(), "sample")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{}
	for p := range in.Decode(t.Context(), 1) {
		for i := range p.Records.Events {
			e := &p.Records.Events[i]
			want[e.Account()] = append(want[e.Account()], e.ID)
		}
	}
	k := &target{t: t}
	f := New(k.stream(nil))
	var last replay.Progress
	if err := f.Files(t.Context(), in, 0, func(p replay.Progress) { last = p }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, k.arrived()); diff != "" {
		t.Errorf("events (-in +out):\n%s", diff)
	}
	if last.Files != len(in.Files) || last.Bytes != in.Bytes || f.Counts().Files != int64(len(in.Files)) {
		t.Errorf("progress ends at %+v, counted %+v, for %d files of %d bytes", last, f.Counts(), len(in.Files), in.Bytes)
	}
}

// TestAFileThatCannotBeRead ends the run with its name.
func TestAFileThatCannotBeRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "111122223333_CloudTrail_eu-west-1_20260301T1000Z_a.json")
	if err := os.WriteFile(file, []byte(record("1", "1", 0)), 0o644); err != nil {
		t.Fatal(err)
	}
	in, err := replay.List(t.Context(), []string{dir}, nil, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	err = New((&target{t: t}).stream(nil)).Files(t.Context(), in, 0, nil)
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v, want one that names %s", err, file)
	}
}

// BenchmarkFiles is the whole way of the bundled sample but for the network.
func BenchmarkFiles(b *testing.B) {
	in, err := replay.ListFS(gen.Sample(), "sample")
	if err != nil {
		b.Fatal(err)
	}
	var bytes int64
	for b.Loop() {
		k := &target{t: b}
		f := New(k.stream(nil))
		if err := f.Files(b.Context(), in, 0, nil); err != nil {
			b.Fatal(err)
		}
		bytes = f.Counts().Bytes
	}
	b.SetBytes(bytes)

}
