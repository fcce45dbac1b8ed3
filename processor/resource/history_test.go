package resource

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// recorded returns the events of the recorded history, one slice per file, in the order of the file names.
func recorded(t testing.TB) [][]cloudtrail.Event {
	t.Helper()
	folder := os.Getenv("CAIRN_DATA")
	if folder == "" {
		t.Skip("set CAIRN_DATA to the data folder")
	}
	var files [][]cloudtrail.Event
	root := os.DirFS(folder + "/cloudtrail/history")
	err := fs.WalkDir(root, "AWSLogs", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := fs.ReadFile(root, name)
		if err != nil {
			return err
		}
		var decoder cloudtrail.Decoder
		files = append(files, decoder.Decode(data).Events)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("the history is empty")
	}
	return files
}

func load(t testing.TB) *Catalogue {
	t.Helper()
	c, err := LoadCatalogue()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// inventory is what a shard does with the package, without a shard.
type inventory struct {
	cat          *Catalogue
	names        Names
	records      map[Key]*Record
	unidentified map[string]int
}

func (inv *inventory) add(e *cloudtrail.Event) {
	eff := inv.cat.Changes(e, Actor{}, inv.names)
	for i := range eff.Changes {
		c := &eff.Changes[i]
		if inv.records[c.Key] == nil {
			inv.records[c.Key] = &Record{}
		}
		inv.records[c.Key].Apply(c)
	}
	if eff.Unidentified > 0 {
		name, _ := e.Text(cloudtrail.EventName)
		inv.unidentified[name]++
	}
}

// taught is the name index after the whole history: what the 26 hours' wait for a create will amount to.
func taught(c *Catalogue, files [][]cloudtrail.Event) MapNames {
	names := MapNames{}
	for _, file := range files {
		for i := range file {
			for _, l := range c.Changes(&file[i], Actor{}, names).Learned {
				names.Learn(l)
			}
		}
	}
	return names
}

func newInventory(c *Catalogue, names Names) *inventory {
	return &inventory{c, names, map[Key]*Record{}, map[string]int{}}
}

func sameInventory(t *testing.T, what string, a, b *inventory) {
	t.Helper()
	if len(a.records) != len(b.records) {
		t.Errorf("%s: %d resources, then %d", what, len(a.records), len(b.records))
	}
	for key, r := range a.records {
		if other := b.records[key]; other == nil || string(encode(t, r)) != string(encode(t, other)) {
			t.Errorf("%s: %s differs", what, key)
		}
	}
}

func TestHistoryKeepsTheLaw(t *testing.T) {
	files := recorded(t)
	c := load(t)
	names := taught(c, files)
	forward, backward := newInventory(c, names), newInventory(c, names)
	for _, file := range files {
		for i := range file {
			forward.add(&file[i])
		}
	}
	for _, file := range slices.Backward(files) {
		for range 2 {
			for i := range slices.Backward(file) {
				backward.add(&file[i])
			}
		}
	}
	sameInventory(t, "files in reverse order, each twice", forward, backward)
	if len(forward.records) == 0 {
		t.Error("no resource was found")
	}
	if len(forward.unidentified) > 0 {
		t.Errorf("events without an id: %v", forward.unidentified)
	}
	report(t, c, forward)
}

// A split over shards by any key gives the same records when the parts are merged.
func TestHistorySplitAndMerged(t *testing.T) {
	files := recorded(t)
	c := load(t)
	names := taught(c, files)
	whole := newInventory(c, names)
	parts := []*inventory{newInventory(c, names), newInventory(c, names), newInventory(c, names)}
	n := 0
	for _, file := range files {
		for i := range file {
			whole.add(&file[i])
			parts[n%3].add(&file[i])
			n++
		}
	}
	merged := newInventory(c, names)
	for _, part := range parts {
		for key, r := range part.records {
			if merged.records[key] == nil {
				merged.records[key] = &Record{}
			}
			merged.records[key] = Merge(merged.records[key], r)
		}
	}
	sameInventory(t, "three shards", whole, merged)
}

// leftOut are mutating events of covered sources that change no resource of the catalogue, each with the reason.
var leftOut = map[string]string{
	"cloudformation.amazonaws.com EstimateTemplateCost": "makes nothing",
	"logs.amazonaws.com CreateLogStream":                "streams are not tracked: there are very many and they live in their group",
	"kms.amazonaws.com Encrypt":                         "uses a key and does not change it",
	"kms.amazonaws.com Decrypt":                         "uses a key and does not change it",
	"kms.amazonaws.com GenerateDataKey":                 "uses a key and does not change it",
}

func TestHistoryIsCovered(t *testing.T) {
	c := load(t)
	sources := c.Sources()
	missing, met := map[string]int{}, 0
	for _, file := range recorded(t) {
		for i := range file {
			e := &file[i]
			source, _ := e.Text(cloudtrail.EventSource)
			name, _ := e.Text(cloudtrail.EventName)
			code, _ := e.Text(cloudtrail.ErrorCode)
			readOnly, _ := e.Text(cloudtrail.ReadOnly)
			if !slices.Contains(sources, source) || code != "" || readOnly == "true" || reads(name) {
				continue
			}
			met++
			if call := source + " " + name; !c.Covers(source, name) && leftOut[call] == "" {
				missing[call]++
			}
		}
	}
	if len(missing) > 0 || met == 0 {
		t.Errorf("of %d mutating events these are not covered: %v", met, missing)
	}
}

// reads says by its first word that a call changes nothing: old records have no readOnly.
func reads(name string) bool {
	return slices.ContainsFunc([]string{"Describe", "List", "Get", "Lookup", "Head", "BatchGet", "Search"}, func(p string) bool { return strings.HasPrefix(name, p) })
}

// Instances counted a second way: ids that the responses of successful launches and terminations list, without the catalogue.
func TestHistoryInstancesCountedApart(t *testing.T) {
	files := recorded(t)
	c := load(t)
	inv := newInventory(c, MapNames{})
	born, died := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		for i := range file {
			e := &file[i]
			inv.add(e)
			name, _ := e.Text(cloudtrail.EventName)
			code, _ := e.Text(cloudtrail.ErrorCode)
			if code != "" {
				continue
			}
			for item := range e.Tree().Get("responseElements").Get("instancesSet").Get("items").Items() {
				id, _ := item.Get("instanceId").Text()
				switch name {
				case "RunInstances":
					born[id] = true
				case "TerminateInstances":
					died[id] = true
				}
			}
		}
	}
	for key, r := range inv.records {
		if key.Type != "AWS::EC2::Instance" {
			continue
		}
		if r.Created() != born[key.ID] {
			t.Errorf("%s: created %v, launched %v", key, r.Created(), born[key.ID])
		}
		if r.Gone() && !died[key.ID] {
			t.Errorf("%s is gone without a termination", key)
		}
		delete(born, key.ID)
	}
	if len(born) > 0 {
		t.Errorf("launched and not in the inventory: %v", born)
	}
}

// No value that a request or response marks as secret may come into a record.
func TestHistoryCopiesNoSecret(t *testing.T) {
	files := recorded(t)
	c := load(t)
	inv := newInventory(c, MapNames{})
	for _, file := range files {
		for i := range file {
			inv.add(&file[i])
		}
	}
	for key, r := range inv.records {
		data := encode(t, r)
		for _, secret := range []string{"sensitiveDataRemoved", "****", "REDACTED", "Statement"} {
			if bytes.Contains(data, []byte(secret)) {
				t.Errorf("%s holds %q", key, secret)
			}
		}
	}
}

func TestHistoryStateIsSmall(t *testing.T) {
	files := recorded(t)
	c := load(t)
	inv := newInventory(c, MapNames{})
	for _, file := range files {
		for i := range file {
			inv.add(&file[i])
		}
	}
	var sizes []int
	for _, r := range inv.records {
		sizes = append(sizes, len(encode(t, r)))
	}
	slices.Sort(sizes)
	median := sizes[len(sizes)/2]
	t.Logf("%d records, median %d bytes, largest %d", len(sizes), median, sizes[len(sizes)-1])
	if median > 2048 { // the design's bound
		t.Errorf("median %d bytes", median)
	}
}

func report(t *testing.T, c *Catalogue, inv *inventory) {
	var newest Version
	for _, r := range inv.records {
		newest = later(newest, r.Changed())
	}
	count := map[string]map[string]int{}
	for key, r := range inv.records {
		m := count[key.Type]
		if m == nil {
			m = map[string]int{}
			count[key.Type] = m
		}
		v := c.View(key, r, newest.When())
		m[v.State]++
		m[v.Origin]++
		if !v.Created.IsZero() && !v.Deleted.IsZero() {
			m["both ends"]++
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(count)) {
		t.Log(kind, count[kind])
	}
	t.Log("unidentified", inv.unidentified)
}

// Without the index filled beforehand the order matters only until the name is taught: moving what was kept under the bare name
// to the id, when nothing of it is older than the lesson, gives the same records in either order.
func TestHistoryNamesTaughtLate(t *testing.T) {
	files := recorded(t)
	c := load(t)
	forward, backward := newInventory(c, MapNames{}), newInventory(c, MapNames{})
	for _, file := range files {
		for i := range file {
			forward.addAndMove(&file[i])
		}
	}
	for _, file := range slices.Backward(files) {
		for i := range slices.Backward(file) {
			backward.addAndMove(&file[i])
		}
	}
	sameInventory(t, "names taught late", forward, backward)
}

func (inv *inventory) addAndMove(e *cloudtrail.Event) {
	names := inv.names.(MapNames)
	for _, l := range inv.cat.Changes(e, Actor{}, names).Learned {
		names.Learn(l)
		early, to := inv.records[l.Unresolved], l.Unresolved
		if to.ID = l.ID; early == nil || to == l.Unresolved || early.FirstSeen().Less(l.Version) {
			continue
		}
		delete(inv.records, l.Unresolved)
		if inv.records[to] == nil {
			inv.records[to] = &Record{}
		}
		inv.records[to] = Merge(inv.records[to], early)
	}
	inv.add(e)
}
