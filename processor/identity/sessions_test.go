package identity

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

func event(t *testing.T, text string) *cloudtrail.Event {
	t.Helper()
	e, err := cloudtrail.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func keysOf(kind byte, rest ...[]byte) []byte {
	return key.Keyed(key.HashOf("111122223333"), kind, rest...)
}

func sessions(t *testing.T) *Sessions {
	t.Helper()
	store, err := state.Open("", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	return NewSessions(store)
}

func (s *Sessions) of(t *testing.T, text string) Actor {
	t.Helper()
	a, err := s.Resolve(event(t, text), keysOf)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// assume is an AssumeRole call by an identity, for a role session.
func assume(at, identity, role, session, key, expires string) string {
	return fmt.Sprintf(`{"eventTime":%q,"eventSource":"sts.amazonaws.com","eventName":"AssumeRole","eventID":"a-%s","userIdentity":%s,
		"requestParameters":{"roleArn":"arn:aws:iam::111122223333:role/%s","roleSessionName":%q},
		"responseElements":{"credentials":{"accessKeyId":%q,"expiration":%q},"assumedRoleUser":{"assumedRoleId":"AROA%s:%s"}}}`,
		at, key, identity, role, session, key, expires, role, session)
}

func roleUse(at, role, session, key string) string {
	return fmt.Sprintf(`{"eventTime":%q,"eventSource":"iam.amazonaws.com","eventName":"CreateUser","userIdentity":%s}`, at, roleIdentity(role, session, key))
}

func roleIdentity(role, session, key string) string {
	return fmt.Sprintf(`{"type":"AssumedRole","principalId":"AROA%s:%s","accessKeyId":%q,"sessionContext":{"sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/%s"}}}`, role, session, key, role)
}

const ada = `{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/ada","accessKeyId":"AKIA1"}`

// TestAChainOfRolesLeadsToItsFirstPrincipal follows a user through two roles.
func TestAChainOfRolesLeadsToItsFirstPrincipal(t *testing.T) {
	s := sessions(t)
	s.of(t, assume("2026-03-01T10:00:00Z", ada, "build", "ci", "ASIA1", "Mar 1, 2026, 11:00:00 AM"))
	s.of(t, assume("2026-03-01T10:05:00Z", roleIdentity("build", "ci", "ASIA1"), "deploy", "release", "ASIA2", "Mar 1, 2026 11:05:00 AM"))
	got := s.of(t, roleUse("2026-03-01T10:10:00Z", "deploy", "release", "ASIA2"))
	want := Actor{Root: "arn:aws:iam::111122223333:user/ada", Role: "arn:aws:iam::111122223333:role/deploy", Session: "release", Complete: true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

// TestASessionIsFoundByItsPrincipalToo: the console mints keys of its own, and
// goes on under the principal of the role session.
func TestASessionIsFoundByItsPrincipalToo(t *testing.T) {
	s := sessions(t)
	s.of(t, assume("2026-03-01T10:00:00Z", ada, "build", "ci", "ASIA1", "2026-03-01T11:00:00Z"))
	bob := `{"type":"IAMUser","arn":"arn:aws:iam::111122223333:user/bob"}`
	s.of(t, assume("2026-03-01T10:30:00Z", bob, "build", "ci", "ASIA2", "2026-03-01T11:30:00Z"))
	for at, root := range map[string]string{
		"2026-03-01T10:10:00Z": "arn:aws:iam::111122223333:user/ada",
		"2026-03-01T10:40:00Z": "arn:aws:iam::111122223333:user/bob",
		"2026-03-01T12:00:00Z": "arn:aws:iam::111122223333:role/build", // both have expired
		"2026-03-01T09:00:00Z": "arn:aws:iam::111122223333:role/build", // before both
	} {
		if got := s.of(t, roleUse(at, "build", "ci", "ASIAconsole")); got.Root != root {
			t.Errorf("at %s: root %s, want %s", at, got.Root, root)
		}
	}
}

// TestARoleWhoseCallerIsElsewhereStaysIncomplete: the caller of another account
// is the best that is known.
func TestARoleWhoseCallerIsElsewhereStaysIncomplete(t *testing.T) {
	s := sessions(t)
	other := `{"type":"AWSAccount","accountId":"999988887777","principalId":"AIDAX"}`
	s.of(t, assume("2026-03-01T10:00:00Z", other, "build", "ci", "ASIA1", ""))
	got := s.of(t, roleUse("2026-03-01T10:59:00Z", "build", "ci", "ASIA1"))
	if got.Root != "account:999988887777/AIDAX" || got.Complete {
		t.Errorf("got %+v", got)
	}
	if got := s.of(t, roleUse("2026-03-01T11:01:00Z", "build", "ci", "ASIA1")); got.Root != "arn:aws:iam::111122223333:role/build" {
		t.Errorf("without an expiration a role session lasts an hour: got %+v", got)
	}
}

// TestAMachineIsItsRoleWhoeverFetchedItsCredentials: the root of a session
// whose credentials went to an AWS service does not depend on whether the call
// that issued them was seen, and machines with different roles stay apart.
func TestAMachineIsItsRoleWhoeverFetchedItsCredentials(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/"
	seen, unseen := sessions(t), sessions(t)
	for service, name := range map[string]string{"ec2": "web", "lambda": "orders", "ecs-tasks": "batch"} {
		by := fmt.Sprintf(`{"type":"AWSService","invokedBy":"%s.amazonaws.com"}`, service)
		call := seen.of(t, assume("2026-03-01T10:00:00Z", by, name, "i-1", "ASIA"+name, ""))
		if want := (Actor{Root: "service:" + service + ".amazonaws.com", Complete: true}); call != want {
			t.Errorf("the call of the service itself: got %+v, want %+v", call, want)
		}
		for _, s := range []*Sessions{seen, unseen} {
			want := Actor{Root: role + name, Role: role + name, Session: "i-1", Complete: s == seen}
			if got := s.of(t, roleUse("2026-03-01T10:10:00Z", name, "i-1", "ASIA"+name)); got != want {
				t.Errorf("%s: got %+v, want %+v", service, got, want)
			}
			s.of(t, assume("2026-03-01T10:20:00Z", roleIdentity(name, "i-1", "ASIA"+name), "deploy", name, "ASIA2"+name, ""))
			want = Actor{Root: role + name, Role: role + "deploy", Session: name, Complete: s == seen}
			if got := s.of(t, roleUse("2026-03-01T10:30:00Z", "deploy", name, "ASIA2"+name)); got != want {
				t.Errorf("the role that %s assumed: got %+v, want %+v", service, got, want)
			}
		}
	}
}

// TestAMachineWithASourceIdentityKeepsIt, as without the issuing call.
func TestAMachineWithASourceIdentityKeepsIt(t *testing.T) {
	s := sessions(t)
	s.of(t, assume("2026-03-01T10:00:00Z", `{"invokedBy":"ec2.amazonaws.com"}`, "web", "i-1", "ASIA1", ""))
	got := s.of(t, `{"eventTime":"2026-03-01T10:10:00Z","userIdentity":{"type":"AssumedRole","principalId":"AROAweb:i-1","accessKeyId":"ASIA1",
		"sessionContext":{"sourceIdentity":"eve","sessionIssuer":{"arn":"arn:aws:iam::111122223333:role/web"}}}}`)
	want := Actor{Root: "source:eve", Role: "arn:aws:iam::111122223333:role/web", Session: "i-1", Complete: true}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestAFailedCallIssuesNothing as there are no credentials in its answer.
func TestAFailedCallIssuesNothing(t *testing.T) {
	s := sessions(t)
	s.of(t, `{"eventTime":"2026-03-01T10:00:00Z","eventSource":"sts.amazonaws.com","eventName":"AssumeRole","errorCode":"AccessDenied","userIdentity":`+ada+`,"requestParameters":{"roleArn":"arn:aws:iam::111122223333:role/build"},"responseElements":null}`)
	if got := s.of(t, roleUse("2026-03-01T10:01:00Z", "build", "ci", "ASIA1")); got.Complete {
		t.Errorf("got %+v", got)
	}
}

// TestEntriesGoWhenNoLateEventCanNeedThem 26 hours after they expired.
func TestEntriesGoWhenNoLateEventCanNeedThem(t *testing.T) {
	end := time.Date(2026, 3, 1, 11, 0, 0, 0, time.UTC)
	x := entry{root: "r", issued: end.Add(-time.Hour), expires: end}
	for after, want := range map[time.Duration]bool{26*time.Hour - time.Second: false, 26 * time.Hour: true} {
		if got, err := Expired(x.append(nil), end.Add(after)); err != nil || got != want {
			t.Errorf("%v after the end: expired %v, %v", after, got, err)
		}
	}
}

// TestEntriesRoundTrip and refuse what is cut.
func TestEntriesRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want []entry
		var data []byte
		for range rapid.IntRange(0, 4).Draw(t, "entries") {
			x := entry{root: rapid.String().Draw(t, "root"), role: rapid.String().Draw(t, "role"), complete: rapid.Bool().Draw(t, "complete"),
				issued: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "issued")).UTC(), expires: time.UnixMilli(rapid.Int64Range(0, 1<<42).Draw(t, "expires")).UTC()}
			want, data = append(want, x), x.append(data)
		}
		got, err := decodeEntries(data)
		if err != nil || !cmp.Equal(want, got, cmp.AllowUnexported(entry{})) {
			t.Fatal(err, cmp.Diff(want, got, cmp.AllowUnexported(entry{})))
		}
		if n := len(data); n > 0 {
			if back, err := decodeEntries(data[:n-1]); err == nil && len(back) >= len(want) {
				t.Fatal("a cut row was read whole")
			}
		}
	})
}
