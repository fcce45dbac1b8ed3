package rule

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

func dataFolder(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("CAIRN_DATA")
	if dir == "" {
		t.Skip("set CAIRN_DATA to the data folder")
	}
	return dir
}

// without hides one file of a folder.
type without struct {
	fs.FS
	name string
}

func (w without) Open(name string) (fs.File, error) { return w.FS.Open(name) }

func (w without) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(w.FS, name)
	var out []fs.DirEntry
	for _, e := range entries {
		if e.Name() != w.name {
			out = append(out, e)
		}
	}
	return out, err
}

// placeholder is the rule whose lists each user must write.
const placeholder = "aws_cloudtrail_console_login_success_from_susp_locations.yml"

func published(t testing.TB) *Set {
	t.Helper()
	set, _, err := Load(Options{}, without{os.DirFS(filepath.Join(dataFolder(t), "sigma", "rules")), placeholder})
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// TestPublishedRulesMatchWhatTheOracleFinds compares the counts of each rule
// with those of an evaluator in another language that shares no code with this
// one (bench/oracle).
func TestPublishedRulesMatchWhatTheOracleFinds(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "bench", "oracle", "expected", "sigma.json"))
	if err != nil {
		t.Fatal(err)
	}
	type counts struct {
		File             string
		History, Stratus int
	}
	want := map[string]counts{}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	set := published(t)
	if len(set.Rules()) != 57 || len(want) != 57 {
		t.Fatalf("%d rules loaded, %d in the oracle's list, 57 are published", len(set.Rules()), len(want))
	}
	got := map[string]counts{}
	history, stratus := matches(t, set, "history"), matches(t, set, "stratus")
	for _, r := range set.Rules() {
		got[r.ID] = counts{filepath.Base(r.Origin.File), history[r.ID], stratus[r.ID]}
	}
	for id, w := range want {
		w.File = filepath.Base(w.File)
		want[id] = w
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts differ (-oracle +rules):\n%s", diff)
	}
}

// matches counts the matches of each rule in a pack.
func matches(t testing.TB, set *Set, pack string) map[string]int {
	n, m := map[string]int{}, set.Matcher()
	for _, e := range recorded(t, pack) {
		for _, r := range m.Match(e) {
			n[r.ID]++
		}
	}
	return n
}

func recorded(t testing.TB, pack string) (events []*cloudtrail.Event) {
	t.Helper()
	root := filepath.Join(dataFolder(t), "cloudtrail", pack)
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(p, ".gz") && !strings.HasSuffix(p, ".ndjson") {
			return err
		}
		data, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		var decoder cloudtrail.Decoder
		records := decoder.Decode(data).Events
		for i := range records {
			events = append(events, &records[i])
		}
		return nil
	})
	if err != nil || len(events) == 0 {
		t.Fatalf("%s: %d events, %v", pack, len(events), err)
	}
	return events
}

func TestThePlaceholderRuleNamesItsMissingLists(t *testing.T) {
	rules := os.DirFS(filepath.Join(dataFolder(t), "sigma", "rules"))
	_, _, err := Load(Options{}, rules)
	if err == nil || !strings.Contains(err.Error(), placeholder) ||
		!strings.Contains(err.Error(), "Legitimate_Countries") || !strings.Contains(err.Error(), "Legitimate_IP_Ranges") {
		t.Errorf("the error is %v", err)
	}
	lists := map[string][]string{"Legitimate_Countries": {"AT"}, "Legitimate_IP_Ranges": {"192.0.2.0/24"}}
	set, _, err := Load(Options{Lists: lists}, rules)
	if err != nil || len(set.Rules()) != 58 {
		t.Errorf("with its lists: %v", err)
	}
}

// TestOldRulesAreConverted: all but the one that does not say how near is near.
func TestOldRulesAreConverted(t *testing.T) {
	const refused = "aws_lambda_function_created_or_invoked.yml"
	dir := os.DirFS(filepath.Join(dataFolder(t), "sigma", "unsupported"))
	_, _, err := Load(Options{}, dir)
	if err == nil || !strings.HasPrefix(err.Error(), refused+":") || !strings.Contains(err.Error(), "add timeframe") || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is %v", err)
	}
	set, report, err := Load(Options{}, without{dir, refused})
	if err != nil {
		t.Fatal(err)
	}
	// six count, one wants two selections near each other
	if len(report.Converted) != 7 || report.Correlations != 7 || report.Rules != 8 || len(set.Rules()) != 15 {
		t.Errorf("%d converted, %d correlations, %d rules", len(report.Converted), report.Correlations, report.Rules)
	}
}

func BenchmarkMatchPublishedRules(b *testing.B) {
	set, events := published(b), recorded(b, "history")
	m := set.Matcher()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		m.Match(events[i%len(events)])
	}
}
