package identity

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// Sessions remembers the temporary credentials that calls issued, in the state
// of a shard, and resolves who uses them. An entry holds the root that was
// known when it was issued, so a chain of roles costs one look-up. What was
// issued after its use was seen is not known then: the row stays incomplete.
type Sessions struct {
	store *state.Store
	name  []byte // scratch
}

// NewSessions resolves with what the store has.
func NewSessions(store *state.Store) *Sessions { return &Sessions{store: store} }

// Keys makes state keys of a type for the partition key of the event in hand.
type Keys func(kind byte, rest ...[]byte) []byte

const (
	// late is how long an entry is kept after it expired, for events that come
	// late.
	late = 26 * time.Hour
	// perPrincipal is how many entries are kept of one role session: a session
	// name may be used again and again.
	perPrincipal = 8
)

// Resolve tells who did e, and remembers the credentials that it issued.
func (s *Sessions) Resolve(e *cloudtrail.Event, keys Keys) (Actor, error) {
	a := Resolve(e)
	if kind := text(e, cloudtrail.IdentityType); !a.Complete && (kind == "AssumedRole" || kind == "FederatedUser") {
		entry, err := s.find(e, keys)
		if err != nil {
			return a, err
		}
		if entry != nil {
			entry.tell(&a)
			if a.Role == "" {
				a.Role = entry.role
			}
		}
	}
	return a, s.issued(e, &a, keys)
}

// find looks for the entry of the credentials that e was called with.
func (s *Sessions) find(e *cloudtrail.Event, keys Keys) (*entry, error) {
	for _, by := range [...]struct {
		kind, name string
	}{{byKey, text(e, cloudtrail.IdentityAccessKeyID)}, {byPrincipal, text(e, cloudtrail.IdentityPrincipalID)}} {
		if by.name == "" {
			continue
		}
		s.name = append(append(s.name[:0], by.kind...), by.name...)
		entries, err := s.read(keys(key.Identity, s.name))
		if err != nil {
			return nil, err
		}
		for i := len(entries) - 1; i >= 0; i-- {
			if x := &entries[i]; !x.issued.After(e.Time) && e.Time.Before(x.expires) {
				return x, nil
			}
		}
	}
	return nil, nil
}

// The first byte of an entry's name.
const (
	byKey       = "k" // of an access key
	byPrincipal = "p" // of a role session, AROA…:name
)

// issued remembers the credentials that a call returned.
func (s *Sessions) issued(e *cloudtrail.Event, caller *Actor, keys Keys) error {
	if text(e, cloudtrail.EventSource) != "sts.amazonaws.com" || text(e, cloudtrail.ErrorCode) != "" || !issues[text(e, cloudtrail.EventName)] {
		return nil
	}
	response, request := e.BlobTree(cloudtrail.ResponseElements), e.BlobTree(cloudtrail.RequestParameters)
	id := member(response.Get("credentials"), "accessKeyId")
	if id == "" {
		return nil
	}
	x := entry{root: caller.Root, complete: caller.Complete, role: member(request, "roleArn"), issued: e.Time,
		expires: expiration(e, member(response.Get("credentials"), "expiration"), member(request, "durationSeconds"))}
	if err := s.keep(keys(key.Identity, []byte(byKey+id)), x, 1); err != nil {
		return err
	}
	principal := member(response.Get("assumedRoleUser"), "assumedRoleId")
	if principal == "" {
		return nil
	}
	return s.keep(keys(key.Identity, []byte(byPrincipal+principal)), x, perPrincipal)
}

// issues are the calls of STS that return credentials.
var issues = map[string]bool{"AssumeRole": true, "AssumeRoleWithSAML": true, "AssumeRoleWithWebIdentity": true, "AssumeRoot": true,
	"GetSessionToken": true, "GetFederationToken": true}

func member(v *cloudtrail.Value, name string) string {
	s, _ := v.Get(name).Text()
	return s
}

// expiration is when credentials end. Records write the time in words, with or
// without a comma behind the year.
func expiration(e *cloudtrail.Event, at, seconds string) time.Time {
	words := strings.Join(strings.Fields(strings.NewReplacer(",", " ", "\u202f", " ").Replace(at)), " ")
	for _, layout := range []string{"Jan 2 2006 3:04:05 PM", time.RFC3339} {
		if t, err := time.Parse(layout, words); err == nil {
			return t.UTC()
		}
	}
	if n, err := strconv.Atoi(seconds); err == nil && n > 0 {
		return e.Time.Add(time.Duration(n) * time.Second)
	}
	if name := text(e, cloudtrail.EventName); name == "GetSessionToken" || name == "GetFederationToken" {
		return e.Time.Add(12 * time.Hour)
	}
	return e.Time.Add(time.Hour)
}

// keep adds an entry to a row, in the order of issue, and drops the oldest
// beyond limit.
func (s *Sessions) keep(k []byte, x entry, limit int) error {
	entries, err := s.read(k)
	if err != nil {
		return err
	}
	at, there := slices.BinarySearchFunc(entries, x, func(a, b entry) int { return a.issued.Compare(b.issued) })
	if there {
		entries[at] = x
	} else {
		entries = slices.Insert(entries, at, x)
	}
	entries = entries[max(0, len(entries)-limit):]
	var data []byte
	for i := range entries {
		data = entries[i].append(data)
	}
	s.store.Put(k, data)
	return nil
}

func (s *Sessions) read(k []byte) ([]entry, error) {
	data, ok, err := s.store.Get(k)
	if err != nil || !ok {
		return nil, err
	}
	entries, err := decodeEntries(data)
	if err != nil {
		return nil, fmt.Errorf("state row %x: %w", k, err)
	}
	return entries, nil
}

// Expired tells whether a row of the type key.Identity says nothing any more at
// a watermark.
func Expired(value []byte, watermark time.Time) (bool, error) {
	entries, err := decodeEntries(value)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(entries, func(x entry) bool { return x.expires.Add(late).After(watermark) }), nil
}
