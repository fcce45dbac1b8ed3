package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"
	"github.com/rogpeppe/go-internal/testscript"

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
	var lines bytes.Buffer
	for _, p := range pieces {
		q := processor.Quarantined{Reason: p.Reason, Shard: p.Shard, Sequence: p.Sequence, Arrival: p.Arrival, Raw: []byte(p.Text), Size: max(p.Size, len(p.Text))}
		if p.Size > len(p.Text) {
			q.SHA256 = "00"
		}
		ts.Check(json.MarshalWrite(&lines, q))
		lines.WriteByte('\n')
	}
	z, err := zstd.NewWriter(nil)
	ts.Check(err)
	dir := filepath.Join(ts.MkAbs(args[0]), "_dlq")
	ts.Check(os.MkdirAll(dir, 0o755))
	ts.Check(os.WriteFile(filepath.Join(dir, "shardId-000000000000-0000000009.ndjson.zst"), z.EncodeAll(lines.Bytes(), nil), 0o644))
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
