package processor

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/processor/detect"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/state/blob"
)

// LakePast gives first-seen rules what a lake knows of the time before them,
// so that a rule, or a whole deployment, that is new does not have to learn for
// a week. It may be shared by all shards of a process.
//
// The lake is read once for all first-seen rules that are not known yet, when
// the first of them asks; of a rule that was active all the time it has nothing
// that the rule's own state does not have. What is kept is a line for each
// combination of values.
//
// Rules that ask for the state of resources have no past, for the rows of
// events do not hold that.
type LakePast struct {
	lake blob.Store

	mu    sync.Mutex
	known map[taught]map[string]*accountPast // by account
}

// taught names what a rule learns: its version is another one as soon as it
// selects or remembers anything else, and it may ask lists and the accounts
// file, which change without it.
type taught struct{ rule, version, lists, accounts string }

func taughtTo(r *rule.Rule, book *account.Book) taught {
	return taught{r.ID, r.Version, fmt.Sprint(r.Lists()), book.Digest()}
}

// accountPast is what one rule would have seen in one account.
type accountPast struct {
	combinations map[string]*sighting
	files, rows  int64
}

// sighting is a combination of values and when it was first and last seen,
// milliseconds.
type sighting struct {
	key         []string
	first, last int64
}

// NewLakePast prepares the past that a lake has. Nothing is read yet.
func NewLakePast(lake blob.Store) *LakePast {
	return &LakePast{lake: lake, known: map[taught]map[string]*accountPast{}}
}

// For is the past as the shard may see it that has these rules and this
// watermark: until is asked each time, and events that are younger do not
// exist. They will come, or have come, through the stream; were they taken
// from the lake, nothing of what the stream brings would be new. Of accounts the
// rules know what the book says that is in use when they ask; it may be nil.
func (p *LakePast) For(ctx context.Context, set *rule.Set, book func() *account.Book, until func() time.Time) detect.Past {
	return func(r *rule.Rule, account string) (iter.Seq2[baseline.Past, error], baseline.Mark, error) {
		limit := until()
		if r.FirstSeen == nil || limit.IsZero() {
			return nil, baseline.Mark{}, nil
		}
		all, err := p.ask(ctx, set, book(), r, limit)
		if err != nil {
			return nil, baseline.Mark{}, err
		}
		past := all[account]
		if past == nil {
			return nil, baseline.Mark{}, nil
		}
		seen, mark := past.until(limit, limit.Add(-historyOf(r)))
		return seen, mark, nil
	}
}

// behind is how far another shard may be behind the one that asks first, and
// still have all of a rule's history.
const behind = 24 * time.Hour

// historyOf is for how long a first-seen rule remembers, its default included.
func historyOf(r *rule.Rule) time.Duration { return r.FirstSeen.WithDefaults().History }

// ask is what a rule would have seen, by account. It reads the lake unless
// that was done.
func (p *LakePast) ask(ctx context.Context, set *rule.Set, book *account.Book, r *rule.Rule, limit time.Time) (map[string]*accountPast, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if all, ok := p.known[taughtTo(r, book)]; ok {
		return all, nil
	}
	s := scan{matcher: set.Matcher(), book: book, found: map[*rule.Rule]map[string]*accountPast{}, limit: limit.UnixMilli()}
	history := time.Duration(0)
	for _, other := range set.Rules() {
		if _, ok := p.known[taughtTo(other, book)]; !ok && other.FirstSeen != nil {
			s.found[other] = map[string]*accountPast{}
			history = max(history, historyOf(other))
		}
	}
	if err := s.read(ctx, p.lake, limit.Add(-history-behind)); err != nil {
		return nil, fmt.Errorf("read the past from the lake in %s: %w", p.lake.URL(), err)
	}
	for other, accounts := range s.found {
		// What it learned by other lists, or another book, is of no use any more.
		maps.DeleteFunc(p.known, func(id taught, _ map[string]*accountPast) bool {
			return id.rule == other.ID && id.version == other.Version
		})
		p.known[taughtTo(other, book)] = accounts
	}
	return p.known[taughtTo(r, book)], nil
}

// until gives what was seen up to a time, and not before another, and says what
// that is.
func (a *accountPast) until(limit, from time.Time) (iter.Seq2[baseline.Past, error], baseline.Mark) {
	mark := baseline.Mark{Files: a.files, Rows: a.rows}
	var seen []baseline.Past
	for _, id := range slices.Sorted(maps.Keys(a.combinations)) {
		c := a.combinations[id]
		if c.first > limit.UnixMilli() || c.last < from.UnixMilli() {
			continue
		}
		// What was seen again since then will be seen by the shard itself, so
		// the limit will do for its last time.
		first, last := max(c.first, from.UnixMilli()), min(c.last, limit.UnixMilli())
		seen = append(seen, baseline.Past{Time: time.UnixMilli(first).UTC(), Key: c.key})
		if last > first {
			seen = append(seen, baseline.Past{Time: time.UnixMilli(last).UTC(), Key: c.key})
		}
		if t := time.UnixMilli(last).UTC(); t.After(mark.Newest) {
			mark.Newest = t
		}
	}
	return func(yield func(baseline.Past, error) bool) {
		for _, s := range seen {
			if !yield(s, nil) {
				return
			}
		}
	}, mark
}

// scan is one reading of the lake.
type scan struct {
	matcher *rule.Matcher
	book    *account.Book
	found   map[*rule.Rule]map[string]*accountPast
	form    recordForm
	files   int64
	limit   int64 // younger rows are kept, for shards that are further, but not counted
}

// read takes in all events from a time on.
func (s *scan) read(ctx context.Context, lake blob.Store, from time.Time) error {
	first := from.UTC().Format(time.DateOnly)
	days := export.Selection{Partition: func(p string) bool {
		if p[strings.LastIndexByte(p, '=')+1:] < first {
			return false
		}
		s.files++ // asked once for each file
		return true
	}}
	for row, err := range export.ReadRows[export.EventRow](ctx, lake, days) {
		if err != nil {
			return err
		}
		if err := s.event(row); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	for _, accounts := range s.found {
		for _, a := range accounts {
			a.files = s.files
		}
	}
	return nil
}

// event holds one row against the rules.
func (s *scan) event(row *export.EventRow) error {
	in, err := s.form.input(row)
	if err != nil {
		return err
	}
	if s.book != nil {
		in.Account = s.book.Look(in.Event.Account())
	}
	for _, r := range s.matcher.Judge(in) {
		accounts := s.found[r]
		if accounts == nil || r.FirstSeen == nil || row.EventTS < s.limit-(historyOf(r)+behind).Milliseconds() {
			continue
		}
		if key, ok := values(r, in); ok {
			note(accounts, in.Event.Account(), key, row.EventTS, row.EventTS <= s.limit)
		}
	}
	return nil
}

// values are those that a first-seen rule remembers of an event; false when
// one is missing.
func values(r *rule.Rule, in *rule.Input) (key []string, ok bool) {
	for i := range r.Keys {
		text, ok := r.Keys[i].Text(in)
		if !ok {
			return nil, false
		}
		key = append(key, text)
	}
	return key, true
}

// note takes a combination in.
func note(accounts map[string]*accountPast, account string, key []string, ms int64, counts bool) {
	a := accounts[account]
	if a == nil {
		a = &accountPast{combinations: map[string]*sighting{}}
		accounts[strings.Clone(account)] = a
	}
	if counts {
		a.rows++
	}
	id := joined(key)
	c := a.combinations[id]
	if c == nil {
		for i := range key {
			key[i] = strings.Clone(key[i]) // not to hold on to the record
		}
		c = &sighting{key, ms, ms}
		a.combinations[id] = c
	}
	c.first, c.last = min(c.first, ms), max(c.last, ms)
}

// joined is a text for some values that no others have.
func joined(values []string) string {
	var b []byte
	for _, v := range values {
		b = fmt.Appendf(b, "%d:%s", len(v), v)
	}
	return string(b)
}
