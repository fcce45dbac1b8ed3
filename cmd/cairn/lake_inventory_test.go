package main

import (
	"cmp"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	gocmp "github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/resource"
)

// listed is the inventory as the command prints it, in all states.
func (l *lake) listed(t *testing.T, args ...string) map[string]ours {
	t.Helper()
	found := map[string]ours{}
	for _, state := range states {
		for _, r := range object[struct{ Resources []ours }](t, append([]string{"resources", "list", "--data", l.data, "--status", state}, args...)...).Resources {
			found[r["resource_key"].(string)] = r
		}
	}
	return found
}

// snapshot is one snapshot of the lake in the same form. Its own time, how
// sure it was and who wrote it are no part of a resource.
func (l *lake) snapshot(t *testing.T, name string) map[string]ours {
	t.Helper()
	found := map[string]ours{}
	at, err := time.Parse("2006-01-02T15-04", name)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range l.resources {
		if r.SnapshotTS != at.UnixMilli() {
			continue
		}
		text, err := json.Marshal(columns{r})
		if err != nil {
			t.Fatal(err)
		}
		var v ours
		if err := json.Unmarshal(text, &v); err != nil {
			t.Fatal(err)
		}
		if _, twice := found[r.ResourceKey]; twice {
			t.Errorf("%s stands twice in snapshot %s", r.ResourceKey, name)
		}
		found[r.ResourceKey] = v
	}
	return found
}

// plain leaves out what is not said of a resource, and the resources for which
// keep is false.
func plain(all map[string]ours, keep func(ours) bool) map[string]ours {
	out := map[string]ours{}
	for k, r := range all {
		if !keep(r) {
			continue
		}
		out[k] = maps.Clone(r)
		for _, column := range []string{"snapshot_ts", "watermark_ts", "shard"} {
			delete(out[k], column)
		}
	}
	return out
}

func alive(r ours) bool { return r["state"] != resource.StateDeleted }

// checkSnapshots holds the newest snapshot against the inventory that the
// command reads from the state.
func (l *lake) checkSnapshots(t *testing.T) {
	newest, err := export.NewestSnapshot(t.Context(), l.store)
	if err != nil || newest == "" {
		t.Fatalf("newest snapshot %q: %v", newest, err)
	}
	want, got := plain(l.listed(t), alive), plain(l.snapshot(t, newest), alive)
	if len(want) == 0 {
		t.Fatal("no resources: the test shows nothing")
	}
	if diff := gocmp.Diff(want, got); diff != "" {
		t.Errorf("snapshot %s (-resources list +snapshot):\n%s", newest, diff)
	}
	t.Logf("%d resources in %s", len(got), newest)
}

// checkAsOf holds some snapshots against the changelog folded up to their
// times. What a late event said of a time when its snapshot was written
// already is in the one and not in the other, so resources of which late
// events tell are left out. So are security groups that changes call by a name
// whose id is learned only from a later record: the inventory moves such
// changes to the id, the rows of the changelog stay under the name.
func (l *lake) checkAsOf(t *testing.T) {
	names, err := export.Partitions(t.Context(), l.store, export.Resources)
	if err != nil {
		t.Fatal(err)
	}
	late, named := l.lateOnes(), l.calledByName()
	compared, snapshots := 0, 0
	for i := 0; i < len(names); i += max(1, len(names)/4) {
		at, err := time.Parse("2006-01-02T15-04", names[i])
		if err != nil {
			t.Fatal(err)
		}
		keep := func(r ours) bool {
			key := r["resource_key"].(string)
			return alive(r) && !late[key] && !named[key]
		}
		want, got := plain(l.listed(t, "--as-of", at.Format(time.RFC3339)), keep), plain(l.snapshot(t, names[i]), keep)
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("snapshot %s (-as of +snapshot):\n%s", names[i], diff)
		}
		compared, snapshots = compared+len(got), snapshots+1
	}
	t.Logf("%d of %d snapshots, %d resources in them, left out %d with late changes and %d security groups called by name", snapshots, len(names), compared, len(late), len(named))
}

// lateOnes are the resources of which late events tell.
func (l *lake) lateOnes() map[string]bool {
	keys := map[string]bool{}
	for _, c := range l.changes {
		if c.Late {
			keys[c.ResourceKey] = true
		}
	}
	return keys
}

// calledByName are the security groups that stand under a name in the
// changelog, and those under an id that have such a name.
func (l *lake) calledByName() map[string]bool {
	const group = "AWS::EC2::SecurityGroup"
	keys, names := map[string]bool{}, map[string]bool{}
	for _, c := range l.changes {
		if c.Type == group && !strings.HasPrefix(c.ResourceID, "sg-") {
			keys[c.ResourceKey], names[c.ResourceID] = true, true
		}
	}
	for _, c := range l.changes {
		if c.Type == group && names[cmp.Or(c.AttributesSet["group_name"], c.AttributesSet["name"])] {
			keys[c.ResourceKey] = true
		}
	}
	return keys
}
