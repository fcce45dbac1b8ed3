package alert

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export"
)

// surroundings are an environment and files for the values of a sinks file.
func surroundings(env map[string]string) Options {
	return Options{
		Environment: func(name string) (string, bool) { v, ok := env[name]; return v, ok },
		ReadFile: func(name string) ([]byte, error) {
			if v, ok := env["file:"+name]; ok {
				return []byte(v), nil
			}
			return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
		},
	}
}

func folder(text string) fs.FS { return fstest.MapFS{FileName: &fstest.MapFile{Data: []byte(text)}} }

func load(t *testing.T, text string, env map[string]string) *Sinks {
	t.Helper()
	sinks, err := Load(surroundings(env), folder(text))
	if err != nil {
		t.Fatal(err)
	}
	return sinks
}

func TestLoad(t *testing.T) {
	sinks := load(t, `
# comments are kept out
- name: team
  slack: ${SLACK_URL}
- name: pager
  pagerduty: {routing_key: "file:/run/key", resolve: true}
  min_severity: high
- name: hook
  webhook:
    url: https://example.com/in
    secret: ${HOOK}
    headers: {Authorization: "Bearer ${TOKEN}", X-Team: cloud}
  send: end
  rate: 2/s
- {name: topic, sns: 'arn:aws:sns:eu-central-1:123456789012:alerts', min_severity: low, send: [start, update, end]}
- name: bus
  eventbridge:
- {name: hub, securityhub: {account: '012345678901', region: eu-west-1}}
- {name: log, file: findings.ndjson}
`, map[string]string{"SLACK_URL": "https://hooks.slack.com/services/T/B/x", "file:/run/key": "r0ut1ng\n", "HOOK": "s3cret", "TOKEN": "t0ken"})
	type line struct {
		Name, Kind, Target, MinSeverity, Rate string
		Send                                  []string
	}
	var got []line
	for _, s := range sinks.All() {
		got = append(got, line{s.Name, s.Kind, s.Target(), s.MinSeverity, s.Rate.String(), s.Send})
	}
	usual := []string{"start", "update"}
	want := []line{
		{"team", "slack", "https://hooks.slack.com", "medium", "60/m", usual},               // the address itself is the key of a channel
		{"pager", "pagerduty", "-", "high", "-", []string{"start", "update", "end"}},        // an incident can only be resolved by the end
		{"hook", "webhook", "https://example.com", "medium", "2/s", []string{"end"}},        // one word is a list of one
		{"topic", "sns", "arn:aws:sns:eu-central-1:123456789012:alerts", "low", "-", steps}, // short form
		{"bus", "eventbridge", "default", "medium", "-", usual},                             // nothing is needed
		{"hub", "securityhub", "012345678901", "medium", "-", usual},
		{"log", "file", "findings.ndjson", "medium", "-", usual},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if len(sinks.Warnings) > 0 {
		t.Errorf("warned without a reason: %q", sinks.Warnings)
	}
	if got := sinks.Find("pager").get("routing_key"); got != "r0ut1ng" {
		t.Errorf("the key in the file is %q: its newline does not belong to it", got)
	}
	if got := sinks.Find("hook").headers["Authorization"].value; got != "Bearer t0ken" {
		t.Errorf("header %q", got)
	}
	if sinks.Find("nobody") != nil {
		t.Error("found a sink that is not there")
	}
}

// TestBadFiles: each file of testdata/bad holds one mistake; its first line is
// the place, and what the message must say.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		want := strings.TrimPrefix(first, "# ")
		_, err = Load(surroundings(nil), folder(string(data)))
		if err == nil {
			t.Errorf("%s was taken", name)
			continue
		}
		if !strings.Contains(err.Error(), FileName+":"+want) {
			t.Errorf("%s: the error is\n%v\nand should hold\n%s", name, err, want)
		}
	}
}

func TestAllMistakesAtOnce(t *testing.T) {
	_, err := Load(surroundings(nil), folder("- {name: a, slack: nowhere}\n- {name: b, file: x, min_severity: loud}\n"))
	if err == nil || strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("both lines have a mistake, but the error is %v", err)
	}
}

// TestSecretsStayHidden: neither an error nor a warning nor printing shows a
// key, wherever it stands.
func TestSecretsStayHidden(t *testing.T) {
	const key = "verysecret"
	for _, text := range []string{
		"- {name: a, slack: 'ftp://verysecret'}",
		"- {name: a, slack: '${KEY}'}",
		"- {name: a, pagerduty: {routing_key: verysecret, resolve: perhaps}}",
		"- {name: a, webhook: {url: 'https://example.com/', secret: [verysecret]}}",
	} {
		_, err := Load(surroundings(map[string]string{"KEY": key}), folder(text))
		if err == nil || strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", text, err)
		}
	}
	sinks := load(t, "- {name: a, webhook: {url: 'https://u:verysecret@example.com/?k=verysecret', secret: verysecret, headers: {X-Api-Key: verysecret}}}\n- {name: b, pagerduty: verysecret}", nil)
	if len(sinks.Warnings) != 4 {
		t.Errorf("four keys stand in the file, but the warnings are %q", sinks.Warnings)
	}
	a := sinks.Find("a")
	shown := strings.Join(sinks.Warnings, " ") + a.Target() + sinks.Find("b").Target() + a.hide("it said verysecret")
	for _, v := range a.settings {
		shown += v.String()
	}
	if strings.Contains(shown, key) {
		t.Errorf("the key shows in %s", shown)
	}
}

// TestPartsOfAnAddressStayHidden: what answers repeat of an address is its path, or a key in it, not the whole.
func TestPartsOfAnAddressStayHidden(t *testing.T) {
	sinks := load(t, "- {name: a, webhook: 'https://u:pass-k3y@example.com/services/T0000000/B-K3Y-0123/x?token=k3y-value'}", nil)
	said := sinks.Find("a").hide("POST /services/T0000000/B-K3Y-0123/x?token=k3y-value by u pass-k3y was refused")
	if want := "POST /services/T0000000/(secret)/x?token=(secret) by u (secret) was refused"; said != want {
		t.Errorf("%s\nwant %s", said, want)
	}
}

func TestLaterFoldersReplace(t *testing.T) {
	sinks, err := Load(surroundings(nil), folder("- {name: a, file: one}\n- {name: b, file: two}"), fstest.MapFS{}, folder("- {name: a, file: three}"))
	if err != nil {
		t.Fatal(err)
	}
	if len(sinks.All()) != 2 || sinks.Find("a").get("path") != "three" {
		t.Errorf("a is %v: the last folder decides", sinks.Find("a").settings)
	}
	if empty, err := Load(Options{}, fstest.MapFS{}, folder("# nothing yet\n")); err != nil || len(empty.All()) > 0 {
		t.Errorf("no sinks are no mistake: %v", err)
	}
	if _, err := Load(Options{}, broken{}); err == nil {
		t.Error("a file that cannot be read must not be taken for none")
	}
}

type broken struct{}

func (broken) Open(string) (fs.File, error) { return nil, errors.New("input/output error") }

func row() *export.FindingRow {
	r := ExampleRow(at)
	r.FindingID, r.RuleID, r.RuleTitle, r.Severity = "f1", "r1", "Keys for others", "high"
	r.Fields = map[string]string{"userIdentity.userName": "alice"}
	return &r
}

func TestMatch(t *testing.T) {
	tests := []struct {
		match string
		want  bool
	}{
		{"{account_id: '123456789012'}", true},
		{"{account_id: '1234*'}", true},
		{"{account_id: ['9*', '1?3456789012']}", true}, // one of the list
		{"{account_id: '9*'}", false},
		{"{account_id|neq: '9*'}", true},
		{"{tags: 'ATTACK.persistence'}", true}, // any of the column, without case
		{"{tags: 'attack'}", false},            // the whole text
		{"{tags|contains: 'persist'}", true},
		{"{rule_title|startswith: keys, rule_title|endswith: others}", true},
		{"{rule_title|startswith: keys, severity: low}", false}, // all of a map
		{"[{severity: low}, {region: eu-*}]", true},             // one of the maps
		{"{fields.userIdentity.userName: alice}", true},
		{"{fields.userIdentity.arn: '*'}", false}, // absent is nothing
		{"{fields.userIdentity.arn: null}", true},
		{"{actor_role: null}", true},
		{"{region: null}", false},
		{"{group_key.actor.root|endswith: /alice}", true},
		{"{severity|neq: [high, critical]}", false},
		{"{event_count: 4}", true},
		{`{summary: 'a\*b*'}`, false},
	}
	for _, test := range tests {
		s := load(t, "- {name: a, file: x, match: "+test.match+"}", nil).Find("a")
		if got := s.wants(row()); got != test.want {
			t.Errorf("%s: %v", test.match, got)
		}
	}
}

func TestLike(t *testing.T) {
	for _, test := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"**", "", true}, {"a*c", "abbbc", true}, {"a*c", "abcd", false}, {"?", "", false}, {"?", "ä", true},
		{`\*`, "*", true}, {`\*`, "x", false}, {`a\b`, `a\b`, true}, {`\\*`, `\x`, true}, {"*a*b*", "xxaxxbxx", true}, {"*ab", "aab", true}, {"ÄB", "äb", true}, {"*ü?", "abüx", true},
	} {
		if got := like(test.pattern, test.text); got != test.want {
			t.Errorf("%q like %q: %v", test.text, test.pattern, got)
		}
	}
	// Time is bounded: this takes for ever where each star is tried again.
	if like(strings.Repeat("*a", 40)+"b", strings.Repeat("a", 20000)) {
		t.Error("there is no b")
	}
}

// TestWho is what is never sent, and what a sink asks for.
func TestWants(t *testing.T) {
	held, update, end := "f0", "update", "end"
	changes := map[string]struct {
		change func(*export.FindingRow)
		want   bool
	}{
		"high":          {func(r *export.FindingRow) {}, true},
		"medium":        {func(r *export.FindingRow) { r.Severity = "medium" }, true},
		"low":           {func(r *export.FindingRow) { r.Severity = "low" }, false}, // below the sink's level
		"informational": {func(r *export.FindingRow) { r.Severity = "informational" }, false},
		"unknown":       {func(r *export.FindingRow) { r.Severity = "" }, false},
		"staged":        {func(r *export.FindingRow) { r.Staged = true }, false},
		"held back":     {func(r *export.FindingRow) { r.SuppressedBy = &held }, false},
		"update":        {func(r *export.FindingRow) { r.StateReason = &update }, true},
		"end":           {func(r *export.FindingRow) { r.StateReason = &end }, false}, // not asked for
		"no step":       {func(r *export.FindingRow) { r.StateReason = nil }, true},   // a start
	}
	s := load(t, "- {name: a, file: x}", nil).Find("a")
	for _, name := range slices.Sorted(maps.Keys(changes)) {
		r := row()
		changes[name].change(r)
		if got := s.wants(r); got != changes[name].want {
			t.Errorf("%s: %v", name, got)
		}
	}
	s.MinSeverity = "informational" // even so
	r := row()
	r.Severity = "informational"
	if s.wants(r) {
		t.Error("a mere fact is sent")
	}
}

// TestReadme: the example of the document works as it stands.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "```yaml\n")
	example, _, _ := strings.Cut(rest, "```")
	sinks := load(t, example, map[string]string{"SLACK_URL": "https://hooks.slack.com/services/x", "file:/run/secrets/pagerduty": "key", "SOAR_SECRET": "secret", "SOAR_TOKEN": "token"})
	if len(sinks.All()) != 3 || len(sinks.Warnings) > 0 {
		t.Errorf("%d sinks, warnings %q", len(sinks.All()), sinks.Warnings)
	}
	r := row()
	account := "444455556666"
	r.AccountID, r.Tags = &account, []string{"attack.exfiltration"}
	if !sinks.Find("pager").wants(r) {
		t.Error("the pager asks for this one")
	}
	for name := range kinds {
		if !strings.Contains(string(data), "| `"+name+"` |") {
			t.Errorf("the kind %s is not described", name)
		}
	}
}
