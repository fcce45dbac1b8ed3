package processor_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cairnstream/cairn/bench/gen"
	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/rule"
)

const pastAccount = "111122223333"

var newRegion = fstest.MapFS{"region.yml": &fstest.MapFile{Data: []byte(`
title: Region new for a user
id: 0a0b0c0d-0000-4000-8000-000000000002
logsource: {product: aws, service: cloudtrail}
detection: {condition: selection, selection: {eventName: RunInstances, readOnly: 'false'}}
level: medium
cairn:
  first_seen: {fields: [userIdentity.arn, awsRegion], history: 30d, min_history: 7d}
`)}}

func (f *fleet) use(rules fs.FS) *fleet {
	f.t.Helper()
	var err error
	if f.rules, _, err = rule.Load(rule.Options{}, rules); err != nil {
		f.t.Fatal(err)
	}
	return f
}

func noBook() *account.Book { return nil }

// openOn opens the only shard of a fleet with the past that a lake has.
func (f *fleet) openOn(past *processor.LakePast) {
	f.t.Helper()
	sh := f.stream.Shards()[0]
	cfg := f.config(sh)
	var s *processor.Shard
	cfg.Past = past.For(f.ctx, f.rules, noBook, func() time.Time { return s.Arrival().Add(-cfg.Lateness) })
	s, err := processor.Open(f.ctx, cfg)
	if err != nil {
		f.t.Fatal(err)
	}
	f.open[sh.ID] = s
}

// start lets a user start an instance, five minutes before it arrives.
func (f *fleet) start(at time.Time, user, region string) {
	f.now = at.Add(5 * time.Minute)
	f.stream.Put(pastAccount, fmt.Appendf(nil, `{"eventVersion":"1.08","eventID":"%s-%s-%d","eventTime":"%s","eventSource":"ec2.amazonaws.com","eventName":"RunInstances",
		"awsRegion":"%s","recipientAccountId":"%s","readOnly":false,"userIdentity":{"type":"IAMUser","arn":"arn:aws:iam::%s:user/%s"}}`,
		user, region, at.Unix(), at.Format(time.RFC3339), region, pastAccount, pastAccount, user), f.now)
	f.poll(10)
}

// news are what the findings of a lake call new.
func (f *fleet) news() (out []string) {
	f.t.Helper()
	each(f.t, f.lake, func(r *export.FindingRow) {
		arn := r.GroupKey["userIdentity.arn"]
		out = append(out, arn[strings.LastIndexByte(arn, '/')+1:]+" in "+r.GroupKey["awsRegion"])
	})
	return out
}

// TestAnOldValueIsForgotten: what was seen before the history of a rule is no
// past, even if it is seen again behind the watermark.
func TestAnOldValueIsForgotten(t *testing.T) {
	f := newFleet(t, 1)
	f.start(started, "ann", "eu-north-1")
	f.start(started.AddDate(0, 0, 20), "ann", "eu-west-1")
	f.start(started.AddDate(0, 0, 45), "ann", "eu-north-1")
	f.release()
	f.use(newRegion)
	until := started.AddDate(0, 0, 40)
	seen, _, err := processor.NewLakePast(f.lake).For(f.ctx, f.rules, noBook, func() time.Time { return until })(f.rules.Rules()[0], pastAccount)
	if err != nil {
		t.Fatal(err)
	}
	for p := range seen {
		if p.Key[1] != "eu-west-1" {
			t.Errorf("%v at %v: want only what was seen twenty days before", p.Key, p.Time)
		}
	}
}

// aMonth is a lake with thirty days of ann, who starts an instance each day,
// in another region every tenth; and one of bob, long ago.
func aMonth(t *testing.T) *fleet {
	f := newFleet(t, 1)
	for day := range 30 {
		f.start(started.AddDate(0, 0, day), "ann", "eu-west-1")
		if day%10 == 0 {
			f.start(started.AddDate(0, 0, day).Add(time.Minute), "ann", "eu-north-1")
		}
	}
	f.start(started.AddDate(0, 0, 3), "bob", "eu-west-1")
	return f
}

// TestThePastComesFromALake: values that an existing lake has are old to a
// deployment that begins, others are new; and without a lake it learns first.
func TestThePastComesFromALake(t *testing.T) {
	history := aMonth(t)
	// The other deployment goes on, and is ahead of ours.
	next := started.AddDate(0, 0, 30)
	history.start(next.Add(time.Hour), "ann", "ap-south-1")
	history.release()
	empty := newFleet(t, 1)

	for name, c := range map[string]struct {
		past *fleet
		want []string
	}{
		"lake":  {history, []string{"ann in ap-south-1", "ann in us-east-1", "bob in us-east-1"}},
		"empty": {empty, nil},
	} {
		f := newFleet(t, 1).use(newRegion)
		f.openOn(processor.NewLakePast(c.past.lake))
		for i, region := range []string{"eu-west-1", "eu-north-1", "us-east-1"} {
			f.start(next.Add(time.Duration(i)*time.Minute), "ann", region)
		}
		f.start(next.Add(10*time.Minute), "cid", "us-east-1") // unknown to the lake: it learns
		f.start(next.Add(11*time.Minute), "bob", "us-east-1")
		f.start(next.Add(time.Hour), "ann", "ap-south-1") // what is still to come is no past
		f.release()
		if diff := cmp.Diff(c.want, slices.Sorted(slices.Values(f.news()))); diff != "" {
			t.Errorf("%s: what is called new (-want +got):\n%s", name, diff)
		}
	}
}

// TestARuleIsPutToWork: a rule that comes to a running shard learns from the
// shard's own lake.
func TestARuleIsPutToWork(t *testing.T) {
	f := aMonth(t)
	f.release()
	f.use(newRegion)
	f.openOn(processor.NewLakePast(f.lake))
	next := started.AddDate(0, 0, 30)
	f.start(next, "ann", "eu-north-1")
	f.start(next.Add(time.Minute), "ann", "us-east-1")
	f.release()
	if diff := cmp.Diff([]string{"ann in us-east-1"}, f.news()); diff != "" {
		t.Errorf("what is called new (-want +got):\n%s", diff)
	}
}

// TestTheMarkSaysWhatWasRead, and nothing for an account that is not there.
func TestTheMarkSaysWhatWasRead(t *testing.T) {
	f := aMonth(t)
	f.release()
	f.use(newRegion)
	until := started.AddDate(0, 0, 20).Add(time.Hour)
	past := processor.NewLakePast(f.lake).For(f.ctx, f.rules, noBook, func() time.Time { return until })
	seen, mark, err := past(f.rules.Rules()[0], pastAccount)
	if err != nil {
		t.Fatal(err)
	}
	type first struct{ user, region, day string }
	days := map[first]string{}
	for p, err := range seen {
		if err != nil {
			t.Fatal(err)
		}
		k := first{p.Key[0][strings.LastIndexByte(p.Key[0], '/')+1:], p.Key[1], ""}
		days[k] += p.Time.Format(" 01-02")
	}
	// History reaches 30 days back from the 21st of March, the lake 20; what
	// is younger than that is as if it were seen just then.
	want := map[first]string{
		{"ann", "eu-west-1", ""}:  " 03-01 03-21",
		{"ann", "eu-north-1", ""}: " 03-01 03-21",
		{"bob", "eu-west-1", ""}:  " 03-04",
	}
	if diff := cmp.Diff(want, days); diff != "" {
		t.Errorf("first and last days (-want +got):\n%s", diff)
	}
	if mark.Rows != 21+3+1 || mark.Files == 0 || mark.Newest.After(until) {
		t.Errorf("mark %+v: want 21 rows of ann in eu-west-1, 3 in eu-north-1 and 1 of bob, none after %v", mark, until)
	}
	if seen, mark, err := past(f.rules.Rules()[0], "444455556666"); seen != nil || mark.Rows != 0 || err != nil {
		t.Errorf("an account that the lake does not have: %v, %v", mark, err)
	}
}

// odd are records that show all columns, and members that have none.
var odd = []string{
	`{"eventID":"odd-1","eventTime":"2026-03-01T10:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","readOnly":true,"managementEvent":true,
	 "new":{"a":[1,2,{"b":null}]},"dotted.name":"x","userIdentity":{"type":"AssumedRole","later":7,"a.b":"c","sessionContext":{"attributes":{"mfaAuthenticated":"true","more":"1"},
	 "sessionIssuer":{"type":"Role","extra":{"x":1}},"webIdFederationData":{"federatedProvider":"p","attributes":{"k.1":"v","l":"w"}},"sourceIdentity":"s","only":true},
	 "onBehalfOf":{"userId":"u"},"inScopeOf":{"sourceArn":"arn:x"},"invokedByDelegate":{"accountId":"1"}}}`,
	`{"eventID":"odd-2","eventTime":"2026-03-01T10:00:01Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","userIdentity":"a text",
	 "resources":[{"ARN":"arn:aws:s3:::b","accountId":"1","type":"AWS::S3::Bucket","more":"m"},{"ARNPrefix":"arn:aws:s3:::b/"}],"tlsDetails":{"tlsVersion":"TLSv1.3","x":"y"},
	 "addendum":{"reason":"UPDATED_DATA","updatedFields":"userAgent"},"requestParameters":{"q":"\u00e9 \"quoted\" \n"},"userAgent":["a","list"],"errorCode":404}`,
	`{"eventID":"odd-3","eventTime":"2026-03-01T10:00:02Z","eventSource":"s3.amazonaws.com","eventName":"GetObject","userIdentity":{"sessionContext":{"unknown":1}},
	 "resources":[{"ARN":"arn:aws:s3:::b","type":"T"}]}`,
	`{"eventTime":"2026-03-01T10:00:03Z","eventSource":"s3.amazonaws.com","eventName":"NoID","recipientAccountId":"111122223333"}`,
}

// TestRecordOfARow: what a row of the lake says is what the record said, up to
// the kinds of scalars, empty objects and the order of members.
func TestRecordOfARow(t *testing.T) {
	records := map[string]map[string]string{} // by id: path to text
	f := newFleet(t, 1)
	put := func(e *cloudtrail.Event) {
		if records[e.ID] == nil {
			f.stream.Put(pastAccount, e.Raw, started)
			records[e.ID] = map[string]string{}
			flatten(e.Tree(), "", records[e.ID])
		}
	}
	for _, text := range odd {
		e, err := cloudtrail.Parse([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		put(e)
	}
	eachSample(t, put)
	f.poll(1 << 20)
	f.release()
	n := 0
	each(t, f.lake, func(row *export.EventRow) {
		n++
		e, err := processor.EventOf(row)
		if err != nil {
			t.Error(err)
			return
		}
		got := map[string]string{}
		flatten(e.Tree(), "", got)
		if diff := cmp.Diff(records[row.EventID], got); diff != "" {
			t.Errorf("%s: members by path (-record +of its row):\n%s", row.EventID, diff)
		}
	})
	if n != len(records) || n < 500 {
		t.Errorf("%d rows of %d records: want at least 500", n, len(records))
	}
}

// flatten lists the scalars of a value by their paths.
func flatten(v *cloudtrail.Value, path string, into map[string]string) {
	switch v.Kind() {
	case '{':
		for name, m := range v.Members() {
			flatten(m, path+"/"+name, into)
		}
	case '[':
		for i := range v.Len() {
			flatten(v.Index(i), fmt.Sprintf("%s[%d]", path, i), into)
		}
	default:
		if text, ok := v.Text(); ok {
			into[path] = text
		}
	}
}

// eachSample calls do for events of the bundled sample, and for those of
// CAIRN_DATA/cloudtrail if that is set.
func eachSample(t *testing.T, do func(*cloudtrail.Event)) {
	t.Helper()
	var d cloudtrail.Decoder
	most := 2000
	folders := []fs.FS{gen.Sample()}
	if dir := os.Getenv("CAIRN_DATA"); dir != "" {
		folders = append(folders, os.DirFS(filepath.Join(dir, "cloudtrail", "odd")), os.DirFS(filepath.Join(dir, "cloudtrail", "stratus")))
		most = 20_000
	}
	for _, folder := range folders {
		n := 0
		err := fs.WalkDir(folder, ".", func(name string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || n > most {
				return err
			}
			payload, err := fs.ReadFile(folder, name)
			if err != nil {
				return err
			}
			for _, e := range d.Decode(payload).Events {
				do(&e)
				n++
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
