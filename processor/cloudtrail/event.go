package cloudtrail

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json/jsontext"
)

// Kind is the sort of record.
type Kind uint8

// The kinds of records.
const (
	Other        Kind = iota // a kind that this version does not know, such as AwsConsoleAction
	APICall                  // AwsApiCall, also records of before 1.02, which do not say
	SignIn                   // AwsConsoleSignIn
	ServiceEvent             // AwsServiceEvent
	Insight                  // AwsCloudTrailInsight
	Health                   // an AWS Health event that came through EventBridge
)

var kindNames = [...]string{"other", "api call", "sign-in", "service event", "insight", "health"}

// String names the kind for people.
func (k Kind) String() string {
	if int(k) >= len(kindNames) {
		return kindNames[Other]
	}
	return kindNames[k]
}

// Event is one CloudTrail record. It does not change after Decode, apart from
// the trees that it parses on demand; only one goroutine may ask for those.
// Strings and byte slices that it hands out stand in the payload (or in a buffer
// beside it) and keep it alive: clone what must outlive it.
//
// A copy of an Event shares everything with the original. Only Decode and Parse
// make events that can be asked for members.
type Event struct {
	ID   string    // eventID, else "sha256:" and 32 hex digits of the record's hash
	Time time.Time // eventTime, UTC, cut to milliseconds
	Kind Kind
	Raw  []byte // the record as received
	m    *members
}

// Text returns a scalar member as text: a string with its escapes resolved, a
// number or boolean as it is written. It is false when the member is absent,
// null, or not a scalar.
func (e *Event) Text(f Field) (string, bool) {
	s := e.m.fields[f]
	if k := s.kind(); k < kindFalse || k > kindNumber {
		return "", false
	}
	return alias(e.slice(s)), true
}

// FieldKind returns the kind of the member's value, 0 when it is absent. A
// member that should be a scalar and is not has the kind '{' or '['; its value
// stands in Extra.
func (e *Event) FieldKind(f Field) jsontext.Kind { return kinds[e.m.fields[f].kind()] }

// Blob returns a member as compact JSON text, nil when it is absent, null, or
// neither object nor array.
func (e *Event) Blob(b Blob) []byte {
	s := e.m.blobs[b]
	if s.kind() < kindObject {
		return nil
	}
	return e.slice(s)
}

// Extra returns all members that have no column as one compact JSON object, by
// dotted path; nil when there are none. A member with a column whose value does
// not fit (an object where text is expected, or the reverse) stands here too.
func (e *Event) Extra() []byte {
	if e.m.extra == 0 {
		return nil
	}
	return e.slice(e.m.extra)
}

// Account returns the account whose trail delivered the record: the recipient,
// else the account of the caller, else "".
func (e *Event) Account() string {
	if a, ok := e.Text(RecipientAccountID); ok && a != "" {
		return a
	}
	a, _ := e.Text(IdentityAccountID)
	return a
}

func (e *Event) slice(s span) []byte {
	from, to := s.bounds()
	if s&spanSide != 0 {
		return e.m.side[from:to:to]
	}
	return e.Raw[from:to:to]
}

// trees are the parsed values of an event.
type trees struct {
	whole *Value
	blobs [NumBlobs]*Value
}

func (e *Event) trees() *trees {
	if e.m.trees == nil {
		e.m.trees = &trees{}
	}
	return e.m.trees
}

// Tree returns the whole record as a tree. It is parsed at the first call and
// kept; only the goroutine that owns the event may call it.
func (e *Event) Tree() *Value {
	t := e.trees()
	if t.whole == nil {
		src := e.Raw
		if e.m.messy {
			src = appendCompact(make([]byte, 0, len(src)), src)
		}
		t.whole = parseClean(src)
	}
	return t.whole
}

// BlobTree returns a member as a tree; nil when Blob is nil. It is parsed at
// the first call and kept; only the goroutine that owns the event may call it.
func (e *Event) BlobTree(b Blob) *Value {
	src := e.Blob(b)
	if src == nil {
		return nil
	}
	t := e.trees()
	if t.blobs[b] == nil {
		t.blobs[b] = parseClean(src)
	}
	return t.blobs[b]
}

// finish derives ID, Time and Kind. The reason is "" when all is well.
func (e *Event) finish() (reason string, err error) {
	if source, _ := e.Text(EventSource); source == "aws:s3" {
		return reasonNotification, errNotification
	}
	text, ok := e.Text(EventTime)
	if !ok || text == "" {
		return reasonNoTime, errNoTime
	}
	if e.Time, ok = parseTime(text); !ok {
		return reasonBadTime, fmt.Errorf("no time: %q", text[:min(len(text), 64)])
	}
	if e.ID, _ = e.Text(EventID); e.ID == "" {
		sum := sha256.Sum256(e.Raw)
		e.ID = "sha256:" + hex.EncodeToString(sum[:16])
	}
	e.Kind = e.kind()
	return "", nil
}

var errNoTime = errors.New("a record needs an eventTime that is text")

// kind judges by eventType; records of before 1.02 lack it.
func (e *Event) kind() Kind {
	text, ok := e.Text(EventType)
	switch {
	case text == "AwsApiCall":
		return APICall
	case text == "AwsServiceEvent":
		return ServiceEvent
	case text == "AwsConsoleSignIn":
		return SignIn
	case text == "AwsCloudTrailInsight", !ok && e.m.blobs[InsightDetails].kind() == kindObject:
		return Insight
	case ok:
		return Other
	}
	if source, _ := e.Text(EventSource); source == "signin.amazonaws.com" {
		return SignIn
	}
	return APICall
}
