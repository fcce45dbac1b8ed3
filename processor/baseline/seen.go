package baseline

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/cairnstream/cairn/state/key"
	"github.com/cespare/xxhash/v2"
)

// The first-seen store keeps, for each combination of values of an account,
// the first and the last day on which it was seen, exactly: no filter ever
// answers "seen". Combinations are 64-bit hashes; among ten million values two
// collide with a probability of 3·10⁻⁶, and a collision loses one alert.

// seenStore is a first-seen rule at work.
type seenStore struct {
	spec FirstSeenSpec
	// places are the accounts with rows, each with a day before which none of
	// its rows was last seen.
	places map[place]uint16
	ready  map[place]bool
	swept  int64 // hour of the watermark up to which old rows were removed

	// Combinations that were written or read lately, and the day that their
	// rows hold. They only save reads.
	recent, older map[combination]uint16
}

// combination is a value under a parent, as hashes.
type combination struct {
	place         place
	value, parent uint64
}

// recentMost bounds each of the two generations that save reads.
const recentMost = 1 << 16

func newSeen(spec FirstSeenSpec) *seenStore {
	return &seenStore{spec: spec, places: map[place]uint16{}, ready: map[place]bool{}, recent: map[combination]uint16{}}
}

// News is a combination that was not seen before.
type News struct {
	ID          string // 32 hex digits of a hash of rule, state hash, account, values and event
	RuleID      string
	Account     string
	Values      []string // of FirstSeenSpec.Fields: the parent and, last, the value
	NewFor      string   // "parent", or "account" when no other parent knows the value
	Others      int      // other parents of the account that know the value
	ParentSince time.Time
	EventID     string
	EventTime   time.Time
}

// Fields lists what has no column of its own, as text.
func (n *News) Fields() map[string]string {
	return map[string]string{"new_for": n.NewFor, "other_parents": fmt.Sprint(n.Others), "parent_since": n.ParentSince.Format(time.DateOnly)}
}

// days are the first and last day of a row, in days since 1970.
type days struct{ first, last uint16 }

func dayOf(t time.Time) uint16 { return uint16(min(max(t.Unix()/daySeconds, 0), 1<<16-1)) }

func daysIn(d time.Duration) int { return int((d + 24*time.Hour - 1) / (24 * time.Hour)) }

// FirstSeen takes in an event that met a rule with a first_seen block. It
// returns news, or nil. What it writes goes to the store at once, on the first
// event of a day only.
func (e *Engine) FirstSeen(ruleID string, ev *Event) (*News, error) {
	r := e.rules[ruleID]
	if r == nil || r.seen == nil {
		return nil, fmt.Errorf("rule %s has no first_seen", ruleID)
	}
	if len(ev.Key) != len(r.seen.spec.Fields) {
		return nil, fmt.Errorf("rule %s: %d values for %d fields", ruleID, len(ev.Key), len(r.seen.spec.Fields))
	}
	r.counts.Events++
	news, err := e.meet(r, ev)
	if err != nil {
		return nil, fmt.Errorf("rule %s: %w", ruleID, err)
	}
	return news, nil
}

// meet records a combination and tells whether it is news.
func (e *Engine) meet(r *ruleState, ev *Event) (*News, error) {
	s, day := r.seen, dayOf(ev.Time)
	c := combination{e.place(ev), hashValues(ev.Key[len(ev.Key)-1:]), hashValues(ev.Key[:len(ev.Key)-1])}
	if s.lately(c, day) {
		return nil, nil
	}
	s.hold(c.place, day)
	parent, err := e.see(r, r.parentRow(c), day)
	if err != nil {
		return nil, err
	}
	value, err := e.see(r, r.seenRow(c), day)
	if err != nil {
		return nil, err
	}
	s.note(c, max(day, value.before.last))
	known := parent.known && int(day)-int(parent.before.first) >= daysIn(s.spec.MinHistory)
	if value.known || !known {
		return nil, nil
	}
	if ready, err := e.ready(r, c.place); err != nil || !ready {
		return nil, err
	}
	return e.news(r, ev, c, parent.before, day)
}

// hold notes that a place has a row that was last seen on a day, or after it.
func (s *seenStore) hold(p place, day uint16) {
	if first, ok := s.places[p]; !ok || day < first {
		s.places[p] = day
	}
}

// sight is what a row said before an event.
type sight struct {
	before days
	known  bool // within the history
}

// see brings a row up to a day.
func (e *Engine) see(r *ruleState, k []byte, day uint16) (s sight, err error) {
	found, err := e.get(k, func(b []byte) (err error) { s.before, err = decodeDays(b); return err })
	if err != nil {
		return s, err
	}
	s.known = found && int(day)-int(s.before.last) <= daysIn(r.seen.spec.History)
	now := days{day, day}
	if s.known {
		now = days{min(s.before.first, day), max(s.before.last, day)}
	}
	if now != s.before || !found {
		e.store.Put(k, now.append(nil))
	}
	return s, e.store.Err()
}

// news describes a combination that was not known.
func (e *Engine) news(r *ruleState, ev *Event, c combination, parent days, day uint16) (*News, error) {
	n := &News{
		RuleID: r.ID, Account: ev.Account, Values: append([]string(nil), ev.Key...), NewFor: "account",
		ParentSince: time.Unix(int64(parent.first)*daySeconds, 0).UTC(), EventID: ev.ID, EventTime: ev.Time,
	}
	own := string(r.seenRow(c))
	for row, err := range e.store.Range(r.valueRows(c)) {
		if err != nil {
			return nil, err
		}
		d, err := decodeDays(row.Value)
		if err != nil {
			return nil, err
		}
		if string(row.Key) != own && int(day)-int(d.last) <= daysIn(r.seen.spec.History) {
			n.Others++
		}
	}
	if n.Others > 0 {
		n.NewFor = "parent"
	}
	b := append(append([]byte{}, r.prefix...), c.place.append(nil)...)
	b = c.append(b)
	sum := sha256.Sum256(append(b, ev.ID...))
	n.ID = hex.EncodeToString(sum[:16])
	return n, nil
}

// hashValues hashes values with their lengths, so that none runs into the next.
func hashValues(values []string) uint64 {
	d := xxhash.New()
	var size [8]byte
	for _, v := range values {
		binary.LittleEndian.PutUint64(size[:], uint64(len(v)))
		_, _ = d.Write(size[:])
		_, _ = d.WriteString(v)
	}
	return d.Sum64()
}

// append puts the value before the parent: so all parents of a value lie
// together.
func (c combination) append(b []byte) []byte {
	return key.AppendUint64(key.AppendUint64(b, c.value), c.parent)
}

func (r *ruleState) seenRow(c combination) []byte {
	return r.row(c.place, rowSeen, key.AppendString(nil, c.place.name), c.append(nil))
}

func (r *ruleState) valueRows(c combination) []byte {
	return r.row(c.place, rowSeen, key.AppendString(nil, c.place.name), key.AppendUint64(nil, c.value))
}

func (r *ruleState) parentRow(c combination) []byte {
	return r.row(c.place, rowParent, key.AppendString(nil, c.place.name), key.AppendUint64(nil, c.parent))
}

func (d days) append(b []byte) []byte {
	return binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16(b, d.first), d.last)
}

func decodeDays(b []byte) (days, error) {
	if len(b) != 4 {
		return days{}, errDamaged
	}
	return days{binary.LittleEndian.Uint16(b), binary.LittleEndian.Uint16(b[2:])}, nil
}

// lately tells that a combination's row holds this day or a later one.
func (s *seenStore) lately(c combination, day uint16) bool {
	last, ok := s.recent[c]
	if !ok {
		if last, ok = s.older[c]; ok {
			s.note(c, last)
		}
	}
	return ok && last >= day && int(last)-int(day) <= daysIn(s.spec.History)
}

func (s *seenStore) note(c combination, day uint16) {
	if len(s.recent) >= recentMost {
		s.older, s.recent = s.recent, map[combination]uint16{}
	}
	s.recent[c] = day
}

// Mark says what an account's history was learned from.
type Mark struct {
	Files  int64     `json:"files"`
	Rows   int64     `json:"rows"`
	Newest time.Time `json:"newest"` // event time
}

// Past is an event of the history that met a first-seen rule.
type Past struct {
	Time time.Time
	Key  []string // values of FirstSeenSpec.Fields
}

// Preload learns an account's history for a first-seen rule and marks it as
// learned. Until then the rule only records what it sees in the account. An
// account without history is marked with no events at all, past may be nil.
// Of account only what names the account is read.
func (e *Engine) Preload(ruleID string, account *Event, past iter.Seq2[Past, error], mark Mark) error {
	r := e.rules[ruleID]
	if r == nil || r.seen == nil {
		return fmt.Errorf("rule %s has no first_seen", ruleID)
	}
	if past == nil {
		past = func(func(Past, error) bool) {}
	}
	for p, err := range past {
		if err != nil {
			return fmt.Errorf("rule %s: read the history: %w", ruleID, err)
		}
		ev := Event{Time: p.Time, Hash: account.Hash, Whole: account.Whole, Account: account.Account, Key: p.Key}
		if err := e.learnPast(r, &ev); err != nil {
			return fmt.Errorf("rule %s: %w", ruleID, err)
		}
	}
	text, err := json.Marshal(mark)
	if err != nil {
		return fmt.Errorf("rule %s: mark: %w", ruleID, err)
	}
	at := e.place(account)
	e.store.Put(r.row(at, rowLearned, key.AppendString(nil, at.name)), text)
	r.seen.ready[at] = true
	return e.store.Err()
}

// learnPast records a combination of the past without a word.
func (e *Engine) learnPast(r *ruleState, ev *Event) error {
	if len(ev.Key) != len(r.seen.spec.Fields) {
		return fmt.Errorf("%d values for %d fields", len(ev.Key), len(r.seen.spec.Fields))
	}
	c := combination{e.place(ev), hashValues(ev.Key[len(ev.Key)-1:]), hashValues(ev.Key[:len(ev.Key)-1])}
	day := dayOf(ev.Time)
	r.seen.hold(c.place, day)
	if err := e.extend(r.parentRow(c), day); err != nil {
		return err
	}
	return e.extend(r.seenRow(c), day)
}

// extend widens a row to a day of the past, whatever lies between.
func (e *Engine) extend(k []byte, day uint16) error {
	now := days{day, day}
	_, err := e.get(k, func(b []byte) error {
		d, err := decodeDays(b)
		now = days{min(d.first, day), max(d.last, day)}
		return err
	})
	if err != nil {
		return err
	}
	e.store.Put(k, now.append(nil))
	return e.store.Err()
}

// Learning tells that an account's history was not yet preloaded for a
// first-seen rule.
func (e *Engine) Learning(ruleID string, account *Event) (bool, error) {
	r := e.rules[ruleID]
	if r == nil || r.seen == nil {
		return false, fmt.Errorf("rule %s has no first_seen", ruleID)
	}
	ready, err := e.ready(r, e.place(account))
	return !ready, err
}

func (e *Engine) ready(r *ruleState, p place) (bool, error) {
	if ready, ok := r.seen.ready[p]; ok {
		return ready, nil
	}
	_, ok, err := e.store.Get(r.row(p, rowLearned, key.AppendString(nil, p.name)))
	if err == nil {
		r.seen.ready[p] = ok
	}
	return ok, err
}
