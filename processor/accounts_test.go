package processor_test

import (
	"fmt"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/state/manifest"
)

var inProduction = fstest.MapFS{"bucket.yml": &fstest.MapFile{Data: []byte(`
title: Bucket made in production
id: 0a0b0c0d-0000-4000-8000-000000000003
logsource: {product: aws, service: cloudtrail}
detection: {condition: selection, selection: {eventName: CreateBucket, account.environment: prod, account.owner: payments}}
level: high
cairn: {suppress: none}
`), Mode: 0o644}}

func book(t *testing.T, text string) *account.Book {
	t.Helper()
	b, err := account.Parse("accounts.yml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// makeBucket lets a bucket be made.
func (f *fleet) makeBucket(minute int, accountID string) {
	f.now = f.now.Add(time.Minute)
	f.stream.Put(accountID, fmt.Appendf(nil, `{"eventVersion":"1.08","eventID":"b%d","eventTime":"%s","eventSource":"s3.amazonaws.com","eventName":"CreateBucket","awsRegion":"eu-west-1",
		"recipientAccountId":"%s","requestParameters":{"bucketName":"bucket-%d"},"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%s:user/ann"}}`,
		minute, f.now.Format(time.RFC3339), accountID, minute, accountID), f.now)
	f.poll(10)
}

// TestAccountsStandInAllRows: as they were known when the rows were written,
// also when the file is exchanged between two batches.
func TestAccountsStandInAllRows(t *testing.T) {
	const shop, other = "111122223333", "444455556666"
	f := newFleet(t, 1).use(inProduction)
	f.accounts = book(t, `accounts: [{id: "111122223333", alias: shop, owner: payments, environment: prod}]`)
	f.makeBucket(1, shop)
	f.makeBucket(2, other)
	for _, s := range f.open {
		s.UseAccounts(book(t, `{owner_tags: [cost-centre], accounts: [{id: "444455556666", alias: lab, owner: payments, environment: prod}]}`))
	}
	f.makeBucket(3, shop)
	f.makeBucket(4, other)
	f.now = f.now.Add(2 * time.Hour) // past a snapshot
	f.makeBucket(5, "777788889999")
	f.release()

	events, found, changes, resources := map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	each(t, f.lake, func(r *export.EventRow) { events[r.EventID] = deref(r.AccountAlias) })
	each(t, f.lake, func(r *export.FindingRow) {
		found[r.TriggerEventID] = deref(r.AccountAlias) + " " + r.Fields["account.owner"] + " " + r.Fields["account.environment"]
	})
	each(t, f.lake, func(r *export.ChangeRow) { changes[r.ResourceID] = deref(r.AccountAlias) })
	each(t, f.lake, func(r *export.ResourceRow) { resources[r.ResourceID] = deref(r.AccountAlias) + " " + deref(r.Owner) })
	for _, c := range []struct {
		table     string
		got, want map[string]string
	}{
		{"events", events, map[string]string{"b1": "shop", "b2": "", "b3": "", "b4": "lab", "b5": ""}},
		{"findings", found, map[string]string{"b1": "shop payments prod", "b4": "lab payments prod"}},
		{"changes", changes, map[string]string{"bucket-1": "shop", "bucket-2": "", "bucket-3": "", "bucket-4": "lab", "bucket-5": ""}},
		{"resources", resources, map[string]string{"bucket-1": " ", "bucket-2": "lab payments", "bucket-3": " ", "bucket-4": "lab payments"}},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.table, diff)
		}
	}
	m, err := manifest.ReadManifest(f.ctx, f.state, manifest.Key("cairn", "trail", f.stream.Shards()[0].ID))
	if err != nil || len(m.Config.Accounts) != 16 {
		t.Errorf("the manifest does not name the file: %v, %q", err, m.Config.Accounts)
	}
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// TestThePastOfAnAccountKnowsTheFile: rules that ask for the environment find
// their past in rows that were written without it.
func TestThePastOfAnAccountKnowsTheFile(t *testing.T) {
	f := newFleet(t, 1).use(fstest.MapFS{"region.yml": &fstest.MapFile{Data: []byte(`
title: Region new in production
id: 0a0b0c0d-0000-4000-8000-000000000004
logsource: {product: aws, service: cloudtrail}
detection: {condition: selection, selection: {eventName: RunInstances, account.environment: prod}}
cairn: {first_seen: {fields: [awsRegion]}}
`)}})
	f.start(started, "ann", "eu-west-1")
	f.release()
	var now *account.Book // it changes while the past is in use
	past := processor.NewLakePast(f.lake).For(f.ctx, f.rules, func() *account.Book { return now }, func() time.Time { return started.Add(time.Hour) })
	for _, c := range []struct {
		book *account.Book
		want int
	}{{nil, 0}, {book(t, `accounts: [{id: "111122223333", environment: prod}]`), 1}, {book(t, `accounts: [{id: "111122223333", environment: test}]`), 0}} {
		now = c.book
		seen, _, err := past(f.rules.Rules()[0], pastAccount)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		if seen != nil {
			for _, err := range seen {
				if n++; err != nil {
					t.Fatal(err)
				}
			}
		}
		if n != c.want {
			t.Errorf("%d combinations are known, want %d", n, c.want)
		}
	}
}
