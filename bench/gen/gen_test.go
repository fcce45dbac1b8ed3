package gen

import (
	"encoding/json"
	"flag"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var (
	corpusDir      = flag.String("corpus", "", "folder for a corpus; TestCorpus writes it")
	corpusEvents   = flag.Int("events", 400_000, "events of the corpus, about")
	corpusAccounts = flag.Int("accounts", 50, "accounts of the corpus")
	corpusDays     = flag.Int("days", 2, "days of the corpus")
	corpusSeed     = flag.Uint64("seed", 1, "seed of the corpus")
)

// TestCorpus writes a corpus for load tests:
//
//	go test ./bench/gen -run Corpus -corpus DIR -events 400000 -accounts 50
func TestCorpus(t *testing.T) {
	if *corpusDir == "" {
		t.Skip("set -corpus to a folder")
	}
	g := generator(t, Options{Seed: *corpusSeed, Accounts: *corpusAccounts, Duration: time.Duration(*corpusDays) * 24 * time.Hour,
		EventsPerDay: *corpusEvents / *corpusAccounts / *corpusDays, Attacks: min(*corpusAccounts, 1+*corpusAccounts/5), DuplicatesPerMillion: 500})
	start := time.Now()
	sum, err := g.Write(*corpusDir)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d events in %d files, %d MB of JSON, %d MB compressed, %d labelled, in %s", sum.Events, sum.Files, sum.JSON>>20, sum.Bytes>>20,
		sum.Labelled, time.Since(start).Round(time.Millisecond))
}

func generator(t testing.TB, o Options) *Generator {
	t.Helper()
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const day = 24 * time.Hour

// small is a corpus that tests can afford: every kind of account, most activities.
var small = Options{Seed: 7, Accounts: 6, EventsPerDay: 600, Attacks: 6, DuplicatesPerMillion: 5000}

func TestRecordsHaveTheMembersOfCloudTrail(t *testing.T) {
	uuids := regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	var n int
	for r := range generator(t, small).Events() {
		n++
		var m struct {
			EventVersion, EventTime, EventSource, EventName, AwsRegion, SourceIPAddress, UserAgent string
			EventID, RequestID, EventType, RecipientAccountID, EventCategory                       string
			ManagementEvent, ReadOnly                                                              *bool
			UserIdentity                                                                           struct{ Type string }
			RequestParameters, ResponseElements                                                    json.RawMessage
		}
		if err := json.Unmarshal(r.JSON, &m); err != nil {
			t.Fatalf("%s: %v", r.JSON, err)
		}
		if !uuids.MatchString(m.EventID) || !uuids.MatchString(m.RequestID) || m.EventID != r.ID {
			t.Fatalf("ids %q and %q of %s", m.EventID, m.RequestID, r.Name)
		}
		if m.EventTime != r.Time.Format(time.RFC3339) || m.EventName != r.Name || m.AwsRegion != r.Region || m.RecipientAccountID != r.Account {
			t.Fatalf("record and JSON differ: %s", r.JSON)
		}
		if !regexp.MustCompile(`^1\.(08|09|10|11)$`).MatchString(m.EventVersion) || !strings.HasSuffix(m.EventSource, ".amazonaws.com") {
			t.Fatalf("version %q, source %q", m.EventVersion, m.EventSource)
		}
		if m.ManagementEvent == nil || m.ReadOnly == nil || m.UserIdentity.Type == "" && m.EventType != "AwsServiceEvent" || m.SourceIPAddress == "" || m.EventType == "" || m.EventCategory == "" {
			t.Fatalf("a member is missing: %s", r.JSON)
		}
		if m.RequestParameters == nil || m.ResponseElements == nil {
			t.Fatalf("CloudTrail writes null for an absent request or response: %s", r.JSON)
		}
	}
	if n < 3000 {
		t.Fatalf("%d records, want at least 3000", n)
	}
}

func TestEqualOptionsGiveEqualBytes(t *testing.T) {
	content := func(o Options) map[string]string {
		files := map[string]string{}
		for f := range generator(t, o).Files() {
			var b strings.Builder
			if _, err := f.WriteTo(&b); err != nil {
				t.Fatal(err)
			}
			files[f.Key] = b.String()
		}
		return files
	}
	first := content(small)
	if diff := cmp.Diff(first, content(small)); diff != "" {
		t.Fatal(diff)
	}
	other := small
	other.Seed++
	for key, data := range content(other) {
		if first[key] == data {
			t.Errorf("%s is the same with another seed", key)
		}
	}
}
