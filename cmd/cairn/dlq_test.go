package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/cairnstream/cairn/deploy/local"
	"github.com/cairnstream/cairn/processor"
)

// TestQuarantineScripts runs the stories in testdata/dlq. Their quarantine is
// made by hand, for this program puts nothing there that it could read.
func TestQuarantineScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "dlq"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds:                map[string]func(*testscript.TestScript, bool, []string){"quarantine": writeQuarantine},
		RequireExplicitExec: true,
	})
}

// writeQuarantine LAKE FILE adds the pieces of FILE to the lake's quarantine. One
// whose size is greater than its text is a head.
func writeQuarantine(ts *testscript.TestScript, _ bool, args []string) {
	var pieces []struct {
		Reason, Sequence, Shard, Text string
		Arrival                       time.Time
		Size                          int
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[1])), &pieces, json.MatchCaseInsensitiveNames(true)))
	var all []processor.Quarantined
	for _, p := range pieces {
		q := processor.Quarantined{Reason: p.Reason, Shard: p.Shard, Sequence: p.Sequence, Arrival: p.Arrival, Raw: []byte(p.Text), Size: max(p.Size, len(p.Text))}
		if p.Size > len(p.Text) {
			q.SHA256 = "00"
		}
		all = append(all, q)
	}
	ts.Check(putQuarantine(ts.MkAbs(args[0]), all))
}

// putQuarantine adds an object of pieces to a lake's quarantine.
func putQuarantine(lake string, pieces []processor.Quarantined) error {
	var lines bytes.Buffer
	for _, q := range pieces {
		if err := json.MarshalWrite(&lines, q); err != nil {
			return err
		}
		lines.WriteByte('\n')
	}
	z, err := zstd.NewWriter(nil)
	if err != nil {
		return err
	}
	dir := filepath.Join(lake, "_dlq")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "shardId-000000000000-0000000009.ndjson.zst"), z.EncodeAll(lines.Bytes(), nil), 0o644)
}

// TestRedriveToAStream: the events go on the stream once; without a folder that
// remembers them they go again, and nothing goes when the stream is not there.
func TestRedriveToAStream(t *testing.T) {
	awsSettings(t, map[string]string{"KINESIS": local.Kinesalite(t).URL()})
	stream := newTarget(t, "redriven", 2)
	data, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	if code, _, errs := cairn(t, "replay", "--data", data, "--no-progress"); code != exitDone {
		t.Fatal(errs)
	}
	record := func(id string) []byte {
		return []byte(`{"eventVersion":"1.08","eventID":"` + id + `","eventTime":"2026-03-01T10:01:00Z","eventSource":"s3.amazonaws.com","eventName":"ListBuckets","recipientAccountId":"111122223333"}`)
	}
	if err := putQuarantine(filepath.Join(data, "sample", "lake"), []processor.Quarantined{
		{Reason: "not CloudTrail", Sequence: "1", Raw: record("a")}, {Reason: "not CloudTrail", Sequence: "2", Raw: record("b")}, {Reason: "not json", Sequence: "3", Raw: []byte("?")},
	}); err != nil {
		t.Fatal(err)
	}
	redrive := func(want int, more ...string) {
		t.Helper()
		if code, _, errs := cairn(t, append([]string{"dlq", "redrive", "--data", data}, more...)...); code != want {
			t.Fatalf("%v: exit status %d: %s", more, code, errs)
		}
	}
	redrive(exitFailed, "--stream", "absent", "--out", out)
	if left, _ := filepath.Glob(filepath.Join(out, "*")); len(left) > 0 {
		t.Errorf("a hand-over that failed left %v: the events would count as handed over", left)
	}
	for range 2 {
		redrive(exitDone, "--stream", stream.name, "--out", out)
	}
	if diff := cmp.Diff(map[string]int{"a": 1, "b": 1}, stream.ids(t)); diff != "" {
		t.Error(diff)
	}
	redrive(exitDone, "--stream", stream.name)
	if diff := cmp.Diff(map[string]int{"a": 2, "b": 2}, stream.ids(t)); diff != "" {
		t.Error(diff)
	}
}

// TestOneLine: what is written as a line holds no line end, and is the same
// record.
func TestOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"{\"a\":\"b\\nc\"}":              "{\"a\":\"b\\nc\"}",
		"{\r\n \"a\" : [1,\n2] }":        `{"a":[1,2]}`,
		"{\"a\":1,\n\"a\":2}":            `{"a":1,"a":2}`,
		"{\"a\":\"\xff\",\n\"b\":1e400}": "{\"a\":\"\xff\",\"b\":1e400}",
	} {
		got, err := oneLine([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%q: %q %v, want %q", in, got, err, want)
		}
	}
	if got, err := oneLine([]byte("{\"a\":\n")); err == nil {
		t.Errorf("a cut record became %q", got)
	}
}
