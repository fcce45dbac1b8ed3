package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/cairnstream/cairn/deploy/local"
)

// dataFolder is the folder of recorded logs, without which a test skips.
func dataFolder(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CAIRN_DATA")
	if dir == "" {
		t.Skip("set CAIRN_DATA to the data folder")
	}
	return dir
}

// object runs a command line and decodes the object that it prints.
func object[T any](t testing.TB, args ...string) (v T) {
	t.Helper()
	var out, errs bytes.Buffer
	if code := run(&env{ctx: context.Background(), in: &bytes.Buffer{}, out: &out, err: &errs}, append(args, "--output", "json")); code != exitDone {
		t.Fatalf("cairn %v: exit status %d: %s", args, code, errs.String())
	}
	if err := json.Unmarshal(out.Bytes(), &v); err != nil {
		t.Fatalf("cairn %v: %v", args, err)
	}
	return v
}

// theirs is a resource in the oracle's list.
type theirs struct {
	Key, Type, State, Origin string
	Created                  *string           `json:"created_ts"`
	CreatedBy                *string           `json:"created_by"`
	CreatedRole              *string           `json:"created_role"`
	Changed                  *string           `json:"changed_ts"`
	ChangedEvent             string            `json:"changed_event_id"`
	ChangedEventName         string            `json:"changed_event_name"`
	Deleted                  *string           `json:"deleted_ts"`
	FirstSeen                string            `json:"first_seen_ts"`
	EventIDs                 []string          `json:"event_ids"`
	Attributes               map[string]string `json:"attributes"`
	Tags                     map[string]string `json:"tags"`
}

// ours is a resource in the list of cairn.
type ours map[string]any

// otherNames are the attributes that the two programs call differently.
var otherNames = map[string]string{"group_name": "name", "memory": "memory_mb", "timeout": "timeout_seconds", "size": "size_gb"}

// notFolded are what the oracle leaves out, by type: its README says so.
var notFolded = map[string]bool{
	"AWS::CloudFormation::Stack tags": true, "AWS::Logs::LogGroup tags": true,
	// Relations here, attributes there.
	"AWS::EC2::Snapshot volume_id": true, "AWS::EC2::Volume snapshot_id": true, "AWS::IAM::AccessKey user": true,
	"AWS::Lambda::Function role": true,
}

// compare lists in words what differs between two views of a resource.
func compare(w theirs, g ours) (diffs []string) {
	check := func(what string, want, got any) {
		if fmt.Sprint(want) != fmt.Sprint(got) && !notFolded[w.Type+" "+what] {
			diffs = append(diffs, fmt.Sprintf("%s: %s is %v there, %v here", w.Key, what, want, got))
		}
	}
	if w.Origin == "implied" {
		return nil // gone with its instance, without an event of its own; not concluded here yet
	}
	check("state", w.State, g["state"])
	check("origin", w.Origin, g["origin"])
	check("created_ts", text(w.Created), text(g["created_ts"]))
	check("changed_ts", text(w.Changed), text(g["changed_ts"]))
	check("deleted_ts", text(w.Deleted), text(g["deleted_ts"]))
	check("first_seen_ts", w.FirstSeen, g["first_seen_ts"])
	check("changed_event_id", w.ChangedEvent, g["changed_event_id"])
	check("changed_event_name", w.ChangedEventName, g["changed_event_name"])
	check("event_ids", w.EventIDs, g["event_ids"])
	if by := text(g["created_by"]); by != text(w.CreatedRole) { // the role, where the chain behind it is not resolved
		check("created_by", text(w.CreatedBy), by)
	}
	for name, want := range w.Tags {
		check("tags", want, g["tags"].(map[string]any)[name])
	}
	check("tags", len(w.Tags), len(g["tags"].(map[string]any)))
	attributes := g["attributes"].(map[string]any)
	for name, want := range w.Attributes {
		got, ok := attributes[name]
		if other := otherNames[name]; !ok && other != "" {
			got, ok = attributes[other]
		}
		if !ok {
			got = g[name]
		}
		check(name, want, text(got))
	}
	return diffs
}

// text is a JSON scalar in words, "" for null.
func text(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case *string:
		return value(v)
	}
	return fmt.Sprint(v)
}

// TestTheInventoryIsWhatTheOracleFolds compares every resource of the recorded
// history with the list of a program in another language, which shares neither
// code nor catalogue (bench/oracle).
func TestTheInventoryIsWhatTheOracleFolds(t *testing.T) {
	data := dataFolder(t)
	local.Require(t)
	list, err := local.Node(t.Context(), filepath.Join("..", "..", "bench", "oracle", "inventory.mjs"), "--data", data, "--full")
	if err != nil {
		t.Fatal(err)
	}
	var oracle struct{ Resources []theirs }
	if err := json.Unmarshal(list, &oracle); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "data")
	// The oracle forgets nothing, so neither may this replay.
	object[report](t, "replay", "--data", dir, "--keep-tombstones", "87600h", filepath.Join(data, "cloudtrail", "history"))
	got := map[string]ours{}
	for _, state := range states {
		for _, r := range object[struct{ Resources []ours }](t, "resources", "list", "--data", dir, "--status", state).Resources {
			got[r["resource_key"].(string)] = r
		}
	}
	types := map[string]bool{}
	for _, w := range oracle.Resources {
		types[w.Type] = true
		g, ok := got[w.Key]
		if !ok {
			t.Errorf("%s is missing here", w.Key)
			continue
		}
		for _, d := range compare(w, g) {
			t.Error(d)
		}
		delete(got, w.Key)
	}
	for key, g := range got {
		if types[g["type"].(string)] {
			t.Errorf("%s is missing there", key)
		}
	}
	t.Logf("%d resources of %d types compared", len(oracle.Resources), len(types))
}

// TestReplayCountsTheRecordedLogs holds the accounting against the packs' own
// READMEs: 17,598 records of history without a duplicate, 310 of attacks.
func TestReplayCountsTheRecordedLogs(t *testing.T) {
	data := dataFolder(t)
	for pack, want := range map[string]int64{"history": 17598, "stratus": 310} {
		dir := filepath.Join(t.TempDir(), pack)
		paths := []string{filepath.Join(data, "cloudtrail", pack)}
		if pack == "stratus" { // mapping.json beside the logs is no log
			paths, _ = filepath.Glob(filepath.Join(data, "cloudtrail", pack, "*.ndjson"))
		}
		first := object[report](t, append([]string{"replay", "--data", dir}, paths...)...)
		if first.Events != want || first.Duplicates+first.Quarantined+first.Control != 0 {
			t.Errorf("%s: %+v, want %d events and nothing else", pack, first.counts, want)
		}
		again := object[report](t, append([]string{"replay", "--data", dir}, paths...)...)
		if again.Events != 0 || again.Totals != first.Totals {
			t.Errorf("%s: a second replay took in %d events and left %+v", pack, again.Events, again.Totals)
		}
	}
}
