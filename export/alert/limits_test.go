package alert

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/export"
)

// hostile are texts that somebody may choose who makes events: to forge lines, to call people, to hide, or to break a receiver.
var hostile = []string{"", "ann", "<!channel>", "<https://evil.example|click>", "*bold* _it_ `code`", "a\nWhat to do\n  call +1 555", "\x1b[2J\x1b[31m", "\u202egnp.exe", "\x00", "\xff\xfe", "&&&&&&&&",
	"https://evil.example/login", "@here", "' ; rm -rf / #", strings.Repeat("ä<&>\"\n", 600), strings.Repeat("x", 5000)}

// drawRow makes a finding out of hostile texts; what Cairn itself makes, such as ids and levels, is as it makes it.
func drawRow(t *rapid.T) *export.FindingRow {
	text := func(name string) string {
		return rapid.OneOf(rapid.SampledFrom(hostile), rapid.String()).Draw(t, name)
	}
	optional := func(name string) *string {
		if s := text(name); s != "" {
			return &s
		}
		return nil
	}
	r := burst()
	r.FindingID, r.Severity = strings.Repeat("0a", 16), rapid.SampledFrom([]string{"low", "medium", "high", "critical"}).Draw(t, "severity")
	r.RuleTitle, r.Summary = "A rule "+text("title"), "A rule: "+text("summary")
	r.AccountAlias, r.ActorRoot, r.ActorRole, r.ActorSession, r.Region = optional("alias"), optional("root"), optional("role"), optional("session"), optional("region")
	r.RuleKind = rapid.SampledFrom([]string{"match", "correlation", "first_seen", "baseline", "resource"}).Draw(t, "kind")
	r.Fields = map[string]string{"requestParameters.userName": text("field"), "requestParameters.policyDocument": text("document"), "userIdentity.accessKeyId": text("key")}
	r.ResourceKeys = nil
	for range rapid.SampledFrom([]int{0, 1, 3, 60}).Draw(t, "resources") {
		r.ResourceKeys = append(r.ResourceKeys, "111122223333/eu-west-1/AWS::S3::Bucket/"+text("resource"))
	}
	if rapid.Bool().Draw(t, "no window") {
		r.WindowStartTS, r.WindowEndTS = nil, nil
	}
	return r
}

var drawnRule = Knowledge{Flags: "--lake s3://lake", Rule: func(string) (Rule, bool) {
	return Rule{Description: strings.Repeat("What it is about. ", 40), Runbook: strings.Repeat("Ask them. ", 50), FalsePositives: []string{"a", "b"}, References: []string{"https://example.com/x"},
		Details: []string{"requestParameters.userName", "requestParameters.policyDocument", "userIdentity.accessKeyId"}}, true
}}

// drawn renders a drawn finding for a sink of a line.
func drawn(t *testing.T, line string, check func(t *rapid.T, b *body)) {
	t.Helper()
	sink := load(t, line, map[string]string{"KEY": "k3y"}).All()[0]
	rapid.Check(t, func(t *rapid.T) {
		about := About{Event: "CreateUser", Service: "iam.amazonaws.com", Address: rapid.SampledFrom(hostile).Draw(t, "address"), UserAgent: rapid.SampledFrom(hostile).Draw(t, "agent")}
		a, err := sink.alert(drawRow(t), about, drawnRule)
		if err != nil {
			t.Fatal(err)
		}
		b, err := decodeBody(a.Body)
		if err != nil {
			t.Fatal(err)
		}
		check(t, &b)
	})
}

// hidden finds characters that are not seen, or turn what is seen round.
func hidden(text string) bool {
	return strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)) })
}

// within checks the length of a text in characters, and that it says something.
func within(t *rapid.T, what, text string, most int) {
	if n := utf8.RuneCountInString(text); n > most || strings.TrimSpace(text) == "" || hidden(text) {
		t.Errorf("%s has %d characters of %d, or nothing to see: %.200q", what, n, most, text)
	}
}

// TestSlackTakesWhateverHappens: the limits of the block kit (header 150, section 3,000, ten fields of 2,000, context 2,000), no empty
// part, and no link, mention or line that is not Cairn's own.
func TestSlackTakesWhateverHappens(t *testing.T) {
	own := []string{"!date^", "https://example.com/x>"}
	drawn(t, "- {name: a, slack: 'https://example.com'}", func(t *rapid.T, b *body) {
		var m slackBody
		if err := json.Unmarshal([]byte(b.Payload), &m); err != nil {
			t.Fatal(err)
		}
		within(t, "the notification", m.Text, 4000)
		lines := 0
		each := func(what string, s *slackText, most int) {
			within(t, what, s.Text, most)
			for _, part := range strings.Split(s.Text, "<")[1:] {
				if s.Type == "mrkdwn" && !slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(part, o) }) {
					t.Errorf("%s has a link or a mention: <%.60s", what, part)
				}
			}
			if s.Type == "mrkdwn" && !s.Verbatim {
				t.Errorf("Slack would make links of its own in %s", what)
			}
			lines += strings.Count(s.Text, "\nWhat to do\n")
		}
		for _, block := range m.Blocks {
			if block.Text != nil {
				each(block.Type, block.Text, map[string]int{"header": 150, "section": 3000}[block.Type])
			}
			if len(block.Fields) > 10 || block.Text == nil && len(block.Fields)+len(block.Elements) == 0 {
				t.Errorf("a %s with %d fields", block.Type, len(block.Fields))
			}
			for i := range block.Fields {
				each("a field", &block.Fields[i], 2000)
				if strings.Contains(block.Fields[i].Text, "``") {
					t.Errorf("an empty field: %s", block.Fields[i].Text)
				}
			}
			for i := range block.Elements {
				each("the footer", &block.Elements[i], 2000)
			}
		}
		if len(m.Blocks) > 50 || lines > 0 {
			t.Errorf("%d blocks, %d forged lines", len(m.Blocks), lines)
		}
	})
}

// TestPagerDutyTakesWhateverHappens: a summary of 1,024 characters, 512 KB, and details that say something.
func TestPagerDutyTakesWhateverHappens(t *testing.T) {
	drawn(t, "- {name: a, pagerduty: '${KEY}'}", func(t *rapid.T, b *body) {
		var m pagerDutyBody
		if err := json.Unmarshal([]byte(b.Payload), &m); err != nil {
			t.Fatal(err)
		}
		within(t, "the summary", m.Payload.Summary, 1024)
		within(t, "the source", m.Payload.Source, 255)
		if !slices.Contains([]string{"info", "warning", "error", "critical"}, m.Payload.Severity) || len(b.Payload) > 512<<10 || m.Key == "" || len(m.Key) > 255 {
			t.Errorf("severity %q, key %q, %d bytes", m.Payload.Severity, m.Key, len(b.Payload))
		}
		for name, text := range m.Payload.Details {
			within(t, name, text, 10_000)
		}
	})
}

// TestTopicsTakeWhateverHappens: 256 KB with all attributes, a subject of less than 100 printable characters, and a letter whose lines
// are Cairn's.
func TestTopicsTakeWhateverHappens(t *testing.T) {
	drawn(t, "- {name: a, sns: 'arn:aws:sns:eu-central-1:123456789012:x'}", func(t *rapid.T, b *body) {
		if n := len(forms(b)); n > maxForms {
			t.Errorf("%d bytes", n)
		}
		within(t, "the subject", subject(b), 99)
		within(t, "the letter", b.Letter, 30_000)
		within(t, "the text", b.Short, 300)
		if n := strings.Count(b.Letter, "\nWhat to do\n"); n != 1 || strings.Contains(b.Letter, "\n  call +1 555") {
			t.Errorf("%d times What to do:\n%s", n, b.Letter)
		}
		for name, v := range attributes(b) {
			within(t, "the attribute "+name, *v.StringValue, 1000)
		}
	})
}

// TestSecurityHubTakesWhateverHappens: the limits of the format.
func TestSecurityHubTakesWhateverHappens(t *testing.T) {
	drawn(t, "- {name: a, securityhub: {account: '999999999999', region: eu-west-1}}", func(t *rapid.T, b *body) {
		var f asffFinding
		if err := json.Unmarshal([]byte(b.Payload), &f); err != nil {
			t.Fatal(err)
		}
		within(t, "the title", f.Title, 256)
		within(t, "the description", f.Description, 1024)
		within(t, "the recommendation", f.Remediation.Recommendation.Text, 512)
		within(t, "the generator", f.GeneratorId, 512)
		if n := len(f.Resources); n < 1 || n > 32 || len(f.ProductFields) > 50 || len(b.Payload) > 240<<10 {
			t.Errorf("%d resources, %d product fields, %d bytes", n, len(f.ProductFields), len(b.Payload))
		}
		for _, r := range f.Resources {
			within(t, "a resource", r.Id, 512)
		}
		for name, text := range f.ProductFields {
			within(t, "the name of a product field", name, 128)
			within(t, name, text, 2048)
		}
		for _, at := range []string{f.CreatedAt, f.UpdatedAt, f.FirstObservedAt, f.LastObservedAt} {
			if _, err := time.Parse(time.RFC3339, at); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestWhenIsThatOfEvents: a window reaches further than what happened in it.
func TestWhenIsThatOfEvents(t *testing.T) {
	r := burst()
	r.Fields[export.BeganField], r.Fields[export.EndedField] = "2026-03-01T12:29:16.25Z", "2026-03-01T12:29:17Z"
	m := compose("a", r, About{}, knowledge)
	same(t, "first", "2026-03-01T12:29:16.250Z", m.When.First)
	same(t, "last", "2026-03-01T12:29:17.000Z", m.When.Last)
	if m.Fields[export.BeganField] != "" || m.Fields[export.EndedField] != "" {
		t.Errorf("said twice: %v", m.Fields)
	}
}
