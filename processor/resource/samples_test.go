package resource

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

var rewrite = flag.Bool("rewrite", false, "write testdata/samples/*.golden anew; read the difference before it is committed")

// sample is one made-up event of testdata/samples. Lists in `on` stand for one event each.
type sample struct {
	On        any
	Q, R      any
	X, S      any
	Resources any
}

func (s sample) names() (names []string) {
	list, ok := s.On.([]any)
	if !ok {
		list = []any{s.On}
	}
	for _, n := range list {
		names = append(names, n.(string))
	}
	return names
}

// event makes the record of an IAM user's call; no two samples of a file share a time, and later ones are later.
func (s sample) event(t testing.TB, source, name string, n int) *cloudtrail.Event {
	t.Helper()
	return makeEvent(t, map[string]any{
		"eventSource": source, "eventName": name, "eventID": fmt.Sprintf("e%03d", n),
		"eventTime":         fmt.Sprintf("2026-03-01T%02d:%02d:00Z", n/60, n%60),
		"requestParameters": s.Q, "responseElements": s.R, "additionalEventData": s.X, "serviceEventDetails": s.S, "resources": s.Resources,
	})
}

// makeEvent parses a record with the given members over those of a usual one.
func makeEvent(t testing.TB, members map[string]any) *cloudtrail.Event {
	t.Helper()
	record := map[string]any{
		"eventVersion": "1.11", "eventType": "AwsApiCall", "eventTime": "2026-03-01T00:00:00Z", "eventID": "e0", "awsRegion": "eu-west-1",
		"recipientAccountId": "111122223333",
		"userIdentity":       map[string]any{"type": "IAMUser", "userName": "caller", "accountId": "111122223333"},
	}
	for k, v := range members {
		if v != nil {
			record[k] = v
		}
	}
	data, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	e, err := cloudtrail.Parse(data)
	if err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return e
}

func readSamples(t *testing.T, file string) (samples []sample) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalWithOptions(data, &samples, yaml.Strict()); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return samples
}

// describe writes a change as one line per part.
func describe(c *Change) string {
	var b strings.Builder
	fmt.Fprintf(&b, "  %s %s", c.Effect, c.Key)
	if c.Unresolved != "" {
		fmt.Fprintf(&b, " (only a name)")
	}
	line := func(format string, args ...any) { fmt.Fprintf(&b, "\n    "+format, args...) }
	if c.ARN != "" {
		line("arn %s", c.ARN)
	}
	if c.State != "" {
		line("state %s", c.State)
	}
	for _, a := range c.Set {
		line("%s = %s", a.Name, a.Value)
	}
	for _, name := range c.Unset {
		line("%s unset", name)
	}
	if c.ReplaceTags {
		line("older tags go")
	}
	for _, a := range c.Tags {
		line("tag %s = %q", a.Name, a.Value)
	}
	for _, key := range c.Untag {
		line("tag %s unset", key)
	}
	for _, group := range c.Replace {
		line("older %s go", group)
	}
	for _, r := range c.Add {
		line("+ %s %s %s%s", r.Kind, r.Type, r.Key, details(r.Detail))
	}
	for _, r := range c.Remove {
		line("- %s %s %s", r.Kind, r.Type, r.Key)
	}
	return b.String() + "\n"
}

func details(attrs []Attr) (text string) {
	for _, a := range attrs {
		text += fmt.Sprintf(" (%s %s)", a.Name, a.Value)
	}
	return text
}

func TestSamples(t *testing.T) {
	c := load(t)
	files, err := filepath.Glob("testdata/samples/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no samples: %v", err)
	}
	shown := map[*entry]bool{}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) { sampleFile(t, c, file, shown) })
	}
	for _, en := range c.entries {
		if !shown[en] {
			t.Errorf("%s:%d: no sample event for %s", en.file, en.line, en.slot())
		}
	}
}

func sampleFile(t *testing.T, c *Catalogue, file string, shown map[*entry]bool) {
	source := strings.TrimSuffix(filepath.Base(file), ".yml") + ".amazonaws.com"
	names := MapNames{}
	var got strings.Builder
	n := 0
	for _, s := range readSamples(t, file) {
		for _, name := range s.names() {
			n++
			e := s.event(t, source, name, n)
			got.WriteString(oneSample(t, c, names, e, name))
			markShown(c, e, names, shown)
		}
	}
	golden := strings.TrimSuffix(file, ".yml") + ".golden"
	if *rewrite {
		if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

func oneSample(t *testing.T, c *Catalogue, names MapNames, e *cloudtrail.Event, name string) string {
	text := name + "\n"
	eff := c.Changes(e, Actor{}, names)
	for i := range eff.Changes {
		text += describe(&eff.Changes[i])
	}
	for _, l := range eff.Learned {
		text += fmt.Sprintf("  learn %s %s %s is %s\n", l.Kind, l.Scope, l.Name, l.ID)
		names.Learn(l)
	}
	if eff.Unidentified > 0 {
		text += "  unidentified\n"
	}
	if len(eff.Changes)+eff.Unidentified == 0 {
		text += "  nothing\n"
	}
	return text
}

// markShown notes the entries that make a change of this event.
func markShown(c *Catalogue, e *cloudtrail.Event, names Names, shown map[*entry]bool) {
	source, _ := e.Text(cloudtrail.EventSource)
	name, _ := e.Text(cloudtrail.EventName)
	for _, en := range c.find(call{source, name}) {
		r := run{catalogue: c, event: e, names: names, name: name, source: source, id: e.ID, region: "eu-west-1"}
		r.entry(en)
		shown[en] = shown[en] || len(r.out.Changes) > 0
	}
}

// Samples carry secrets where real requests do; none may be copied.
func TestSamplesCopyNoSecret(t *testing.T) {
	goldens, err := filepath.Glob("testdata/samples/*.golden")
	if err != nil || len(goldens) == 0 {
		t.Fatalf("no golden files: %v", err)
	}
	for _, file := range goldens {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"sensitiveDataRemoved", "HIDDEN_DUE", "****", "= abc", "QUJD", "<xml/>", "Statement"} {
			if strings.Contains(string(data), secret) {
				t.Errorf("%s holds %q", file, secret)
			}
		}
	}
}

func TestEverySourceHasSamples(t *testing.T) {
	for _, source := range load(t).Sources() {
		file := "testdata/samples/" + strings.TrimSuffix(source, ".amazonaws.com") + ".yml"
		if !slices.ContainsFunc(readSamples(t, file), func(s sample) bool { return len(s.names()) > 0 }) {
			t.Errorf("%s holds no sample", file)
		}
	}
}
