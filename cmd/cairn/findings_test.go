package main

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	gocmp "github.com/google/go-cmp/cmp"
)

const findingsAccount = "111122223333"

// trail writes CloudTrail files, one for every five minutes.
type trail struct {
	dir   string
	n     int
	files map[string][]string // by the time at which they are delivered
}

func (tr *trail) event(at time.Time, source, name, more string) {
	tr.n++
	end := at.Truncate(5 * time.Minute).Add(5 * time.Minute).Format("20060102T1504Z")
	tr.files[end] = append(tr.files[end], fmt.Sprintf(`{"eventVersion":"1.08","eventID":"%08d-0000-4000-8000-000000000000","eventTime":"%s","eventType":"AwsApiCall",
		"eventSource":"%s.amazonaws.com","eventName":"%s","awsRegion":"eu-west-1","recipientAccountId":"%s","sourceIPAddress":"198.51.100.7","userAgent":"aws-cli/2",
		"userIdentity":{"type":"IAMUser","principalId":"AIDAEXAMPLE","arn":"arn:aws:iam::%s:user/ann","accountId":"%s","userName":"ann"}%s}`,
		tr.n, at.Format(time.RFC3339), source, name, findingsAccount, findingsAccount, findingsAccount, more))
}

func (tr *trail) write(t *testing.T) {
	t.Helper()
	for end, records := range tr.files {
		name := fmt.Sprintf("%s_CloudTrail_eu-west-1_%s_%016x.json", findingsAccount, end, len(records))
		if err := os.WriteFile(filepath.Join(tr.dir, name), []byte(`{"Records":[`+strings.Join(records, ",\n")+`]}`), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// night is the data folder of a night: three days of an error an hour, then
// 400 in as many seconds; 20 secrets; two instances with accelerators, of which
// one finding stands for the other; and an hour in which all calms down.
func night(t *testing.T) string {
	t.Helper()
	data := t.TempDir()
	tr := &trail{dir: t.TempDir(), files: map[string][]string{}}
	at := time.Date(2026, 3, 2, 0, 30, 0, 0, time.UTC)
	for range 72 { // an hour apart
		tr.event(at, "ec2", "DescribeInstances", `,"errorCode":"Client.UnauthorizedOperation"`)
		at = at.Add(time.Hour)
	}
	for range 400 {
		tr.event(at, "iam", "ListUsers", `,"errorCode":"AccessDenied"`)
		at = at.Add(time.Second)
	}
	at = at.Add(10 * time.Minute)
	for i := range 20 {
		tr.event(at, "secretsmanager", "GetSecretValue", fmt.Sprintf(`,"requestParameters":{"secretId":"s-%02d"}`, i))
		at = at.Add(time.Second)
	}
	for i := range 2 {
		tr.event(at.Add(time.Duration(i)*time.Minute), "ec2", "RunInstances", `,"requestParameters":{"instanceType":"p5.48xlarge"}`)
	}
	for i := range 5 {
		tr.event(at.Add(time.Duration(i+1)*time.Hour), "s3", "ListBuckets", "")
	}
	tr.write(t)
	said(t, "replay", tr.dir, "--data", data, "--no-progress")
	return data
}

// said runs a command that must succeed, and returns what it prints.
func said(t *testing.T, args ...string) string {
	t.Helper()
	code, out, errs := cairn(t, args...)
	if code != exitDone {
		t.Fatalf("cairn %s: exit status %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// listed are the findings that a list has, as "title/step", by their ids.
func listed(t *testing.T, args ...string) (ids, steps map[string]string) {
	t.Helper()
	var got struct {
		Findings []struct {
			ID    string `json:"finding_id"`
			Title string `json:"rule_title"`
			Step  string `json:"state_reason"`
			By    string `json:"suppressed_by"`
		} `json:"findings"`
	}
	text := said(t, append([]string{"findings", "list", "--output", "json", "--severity", "informational"}, args...)...)
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	ids, steps = map[string]string{}, map[string]string{}
	for _, f := range got.Findings {
		title := f.Title + strings.Repeat(" (held back)", min(len(f.By), 1))
		ids[title] = f.ID
		steps[title] = strings.TrimSpace(steps[title] + " " + f.Step)
	}
	return ids, steps
}

const (
	errorsTitle      = "More errors than usual"
	secretsTitle     = "Many different secrets read"
	acceleratorTitle = "Instance with graphics or other accelerators requested"
)

func TestFindingsShow(t *testing.T) {
	data := night(t)
	ids, steps := listed(t, "--data", data)
	want := map[string]string{errorsTitle: "start update end", secretsTitle: "start end", acceleratorTitle: "start", acceleratorTitle + " (held back)": "start"}
	if _, risen := steps[errorsTitle]; !risen {
		t.Fatalf("no finding of a baseline: %v", steps)
	}
	want[errorsTitle] = steps[errorsTitle] // how often its level rises is not what this test is about
	if diff := gocmp.Diff(want, steps); diff != "" {
		t.Fatalf("steps by rule (-want +got):\n%s", diff)
	}
	t.Run("filters", func(t *testing.T) { testFilters(t, data) })
	t.Run("baseline", func(t *testing.T) { testBaseline(t, data, ids[errorsTitle]) })
	t.Run("correlation", func(t *testing.T) { testCorrelation(t, data, ids[secretsTitle]) })
	t.Run("without the rule", func(t *testing.T) { testWithoutRule(t, data, ids[secretsTitle]) })
	t.Run("match", func(t *testing.T) { testMatch(t, data, ids[acceleratorTitle], ids[acceleratorTitle+" (held back)"]) })
	t.Run("svg", func(t *testing.T) { testSVG(t, data, ids) })
}

func testFilters(t *testing.T, data string) {
	held := acceleratorTitle + " (held back)"
	for _, c := range []struct {
		args string
		want []string
	}{
		{"--severity high", []string{errorsTitle, secretsTitle}}, // 400 errors, of services where they weigh more
		{"--kind correlation", []string{secretsTitle}},
		{"--kind baseline --account " + findingsAccount, []string{errorsTitle}},
		{"--account 444455556666", nil},
		{"--suppressed", []string{held}},
		{"--no-suppressed --kind match", []string{acceleratorTitle}},
		{"--staged", nil},
		{"--no-staged --rule secrets", []string{secretsTitle}},
		{"--status resolved", nil},
		{"--since 2026-03-06", nil},
		{"--until 2026-03-05T00:00:00Z", nil},
		{"--actor user/ann --kind match --status open", []string{acceleratorTitle, held}},
	} {
		got, _ := listed(t, append([]string{"--data", data}, strings.Fields(c.args)...)...)
		want := map[string]string{}
		for _, title := range c.want {
			want[title] = got[title]
		}
		if diff := gocmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.args, diff)
		}
	}
	if text := said(t, "findings", "--data", data, "--limit", "1"); !strings.Contains(text, "3 older ones left out") {
		t.Errorf("of four findings one is shown, and that is not said:\n%s", text)
	}
}

// shown is what findings show prints as JSON.
type shown struct {
	Events []struct {
		ID   string `json:"eventid"`
		Name string `json:"eventname"`
	} `json:"events"`
	Missing   []string `json:"missing_event_ids"`
	StandsFor int      `json:"stands_for"`
	Rule      *struct {
		Title   string `json:"title"`
		Changed bool   `json:"changed"`
	} `json:"rule"`
	Chart *struct {
		Start   time.Time `json:"start"`
		Step    float64   `json:"step_seconds"`
		Values  []float64 `json:"values"`
		From    time.Time `json:"from"`
		Limit   *float64  `json:"limit"`
		Usual   *float64  `json:"usual"`
		Caption []string  `json:"caption"`
	} `json:"chart"`
}

func show(t *testing.T, args ...string) (s shown) {
	t.Helper()
	if err := json.Unmarshal([]byte(said(t, append([]string{"findings", "show", "--output", "json"}, args...)...)), &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// expectLines looks for texts, each on a line of its own.
func expectLines(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, want := range lines {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not said in\n%s", want, text)
		}
	}
}

func testBaseline(t *testing.T, data, id string) {
	text := said(t, "findings", "show", id[:8], "--data", data)
	expectLines(t, text, errorsTitle, "who          arn:aws:iam::111122223333:user/ann\n", "from 198.51.100.7 ×", "failed: AccessDenied ×", "unusual from ", "score ", "evidence size short",
		"per minute", "bars: error count for actor.root arn:aws:iam::111122223333:user/ann", "limit ", "discovery/errors_above_baseline.yml")
	s := show(t, id, "--data", data)
	if s.Chart == nil || s.Chart.Limit == nil || s.Chart.Step != 300 {
		t.Fatalf("chart %+v: want windows of five minutes and a limit", s.Chart)
	}
	// An error an hour is one in every twelfth window: four in the 47 before.
	before, place := 0.0, int(s.Chart.From.Sub(s.Chart.Start).Seconds()/s.Chart.Step)
	for _, v := range s.Chart.Values[:place] {
		before += v
	}
	if here := s.Chart.Values[place]; before < 3 || before > 5 || here < *s.Chart.Limit || here > 300 {
		t.Errorf("%v before, %v in the finding's window, limit %v: want one an hour, and then more than the limit", before, here, *s.Chart.Limit)
	}
	if len(s.Missing) > 0 {
		t.Errorf("events not found: %v", s.Missing)
	}
}

func testCorrelation(t *testing.T, data, id string) {
	text := said(t, "findings", "show", strings.ToUpper(id), "--data", data)
	expectLines(t, text, "HIGH  "+secretsTitle, "15 observed, limit 15", "GetSecretValue ×20", "start  high", "end    high", "EVENTS  20 events", "limit 15 ┤╌",
		"bars: value count of requestParameters.secretId", "One principal read fifteen", "A job that copies secrets")
	s := show(t, id, "--data", data, "--windows", "10")
	// The window ends where the rule fired, with the fifteenth secret.
	if s.Chart == nil || len(s.Chart.Values) < 11 || s.Chart.Values[9] != 15 || s.Chart.Values[10] != 5 || s.Chart.Limit == nil || *s.Chart.Limit != 15 {
		t.Errorf("chart %+v: want 15 in the tenth window, 5 in the next, and the limit 15", s.Chart)
	}
}

// testWithoutRule: the chart counts what it can, and says that it is not what
// the rule counted.
func testWithoutRule(t *testing.T, data, id string) {
	text := said(t, "findings", "show", id, "--data", data, "--no-default-rules")
	expectLines(t, text, "not among the rules at hand", "bars: calls of GetSecretValue by arn:aws:iam::111122223333:user/ann", "not what the rule counts, so without its limit: the rule is not at hand")
	s := show(t, id, "--data", data, "--no-default-rules")
	if s.Rule != nil || s.Chart == nil || s.Chart.Limit != nil || cmp.Or(s.Chart.Values[47], -1) < 15 {
		t.Errorf("rule %v, chart %+v: want no rule, no limit, and at least 15 calls in the window", s.Rule, s.Chart)
	}
}

func testMatch(t *testing.T, data, id, held string) {
	text := said(t, "findings", "show", id, "--data", data)
	expectLines(t, text, "stands for   1 more finding held back", "RunInstances")
	if strings.Contains(text, "┤") {
		t.Errorf("a chart of a single event:\n%s", text)
	}
	if s := show(t, id, "--data", data); s.StandsFor != 1 || len(s.Events) != 1 || s.Events[0].Name != "RunInstances" || s.Chart != nil {
		t.Errorf("shown as JSON: %+v", s)
	}
	expectLines(t, said(t, "findings", "show", held, "--data", data), "held back: finding "+id[:12])
}

func testSVG(t *testing.T, data string, ids map[string]string) {
	file := filepath.Join(t.TempDir(), "finding.svg")
	said(t, "findings", "show", ids[errorsTitle], "--data", data, "--svg", file)
	drawn, err := os.ReadFile(file)
	if err != nil || !bytes.Contains(drawn, []byte(`class="found"`)) || !bytes.Contains(drawn, []byte(errorsTitle)) {
		t.Errorf("%v: the drawing lacks the finding's bar or title", err)
	}
	for args, want := range map[string]string{
		"show " + ids[acceleratorTitle] + " --svg " + file: "has no chart",
		"show " + ids[secretsTitle] + " --windows 0":       "--windows must be",
	} {
		code, _, errs := cairn(t, append(strings.Fields("findings "+args), "--data", data)...)
		if code == exitDone || !strings.Contains(errs, want) {
			t.Errorf("cairn findings %s: exit status %d, %q; want %q", args, code, errs, want)
		}
	}
}

// TestAResourcePutRight: what was wrong with it is told with who did it, and
// that it is over with who mended it. The rule of the group was taken away by
// its id, so that what is left of the group's ports is not known.
func TestAResourcePutRight(t *testing.T) {
	dir := t.TempDir()
	said(t, "replay", "--data", dir, "--no-progress")
	ids, _ := listed(t, "--data", dir, "--status", "resolved")
	const title = "Port for administration open to the world"
	text := said(t, "findings", "show", ids[title], "--data", dir)
	expectLines(t, text, "MEDIUM  "+title, "who          arn:aws:iam::444455556666:user/svc-backup-sync\n", "what         AuthorizeSecurityGroupIngress\n", "note         no longer known to hold: a later change left open whether it does\n",
		"start  medium, 1 event\n", "end    medium, 1 event, resolved (no longer known)\n", "RevokeSecurityGroupIngress", "cairn resources history '444455556666/eu-west-1/AWS::EC2::SecurityGroup/")
}
