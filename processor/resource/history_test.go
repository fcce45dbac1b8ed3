package resource

import (
	"io/fs"
	"maps"
	"os"
	"slices"
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
	report(t, c, forward)
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
