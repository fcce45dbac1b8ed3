package baseline

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// FormatVersion is the number of the rows' format, part of their keys: rows of
// another format are left alone, and what they knew is learned anew.
const FormatVersion = 1

// The rows of a rule, all of the type key.Baseline. The rest of their keys is
// rule, state hash, format, one of these, for windows the number, account,
// values.
const (
	rowState      = 'k' // State of a key
	rowGauge      = 'g' // Gauge of a key
	rowSpan       = 'd' // distinct values of a key's long span
	rowEpisode    = 'e' // episode upward; open, or in its cool-down
	rowDown       = 'f' // episode downward
	rowWindow     = 'w' // open window
	rowPopulation = 'p' // PopulationTails of an account
	rowBudget     = 'b' // budget of an account
	rowSeen       = 's' // a combination of values
	rowParent     = 'q' // a parent of values
	rowLearned    = 'm' // the mark that an account's history was read
)

// row is the key of a row; rest follows the sort of row. It is valid until the
// next call.
func (r *ruleState) row(p place, sort byte, rest ...[]byte) []byte {
	k := r.head(p, sort)
	for _, part := range rest {
		k = append(k, part...)
	}
	return r.keep(k)
}

// head is how the key of a row begins.
func (r *ruleState) head(p place, sort byte) []byte {
	k := r.key[:0]
	if p.whole {
		k = key.AppendWhole(k, key.Baseline)
	} else {
		k = key.AppendKeyed(k, p.hash, key.Baseline)
	}
	return append(append(k, r.prefix...), sort)
}

// keep keeps the buffer of a key for the next one.
func (r *ruleState) keep(k []byte) []byte {
	r.key = k
	return k
}

// accountAt is where the account begins in an id.
const accountAt = len(key.Hash{}) + 1

func (r *ruleState) keyRow(x *keyed, sort byte) []byte {
	return r.keep(append(r.head(x.account.place, sort), x.id[accountAt:]...))
}

func (r *ruleState) windowRow(x *keyed, k Window) []byte {
	return r.keep(append(binary.BigEndian.AppendUint32(r.head(x.account.place, rowWindow), k), x.id[accountAt:]...))
}

func (r *ruleState) accountRow(a *account, sort byte) []byte {
	return r.keep(append(r.head(a.place, sort), a.id[accountAt:]...))
}

// put writes a row whose value was appended to the scratch.
func (e *Engine) put(k, value []byte) {
	e.store.Put(k, value)
	e.value = value
}

// get reads a row and takes it apart.
func (e *Engine) get(k []byte, decode func([]byte) error) (ok bool, err error) {
	b, ok, err := e.store.Get(k)
	if err != nil || !ok {
		return false, err
	}
	if err := decode(b); err != nil {
		return false, fmt.Errorf("baseline row %q: %w", k, err)
	}
	return true, nil
}

// load reads what is known of a key and of its account.
func (e *Engine) load(r *ruleState, x *keyed) error {
	if err := e.loadAccount(r, x.account); err != nil || x.loaded {
		return err
	}
	x.loaded = true
	if !r.gauge {
		if _, err := e.get(r.keyRow(x, rowState), func(b []byte) (err error) { x.state, err = DecodeState(b); return err }); err != nil {
			return err
		}
	}
	if r.spec.Statistic == Distinct {
		x.span = &span{}
		if _, err := e.get(r.keyRow(x, rowSpan), func(b []byte) (err error) { x.span, err = decodeSpan(b); return err }); err != nil {
			return err
		}
	}
	if r.gauge || r.spec.Direction != Up {
		_, err := e.get(r.keyRow(x, rowGauge), func(b []byte) error {
			g, err := DecodeGauge(b)
			x.gauge = &g
			return err
		})
		return err
	}
	return nil
}

func (e *Engine) loadAccount(r *ruleState, a *account) error {
	if a.loaded {
		return nil
	}
	a.loaded = true
	a.pop = r.model.NewPopulation()
	if _, err := e.get(r.accountRow(a, rowPopulation), func(b []byte) (err error) { a.pop, err = decodePopulation(b); return err }); err != nil {
		return err
	}
	if r.threshold > 0 {
		return nil
	}
	a.budget = &budget{}
	_, err := e.get(r.accountRow(a, rowBudget), func(b []byte) (err error) { a.budget, err = decodeBudget(b); return err })
	return err
}

// Flush writes what has changed to the store, before it is frozen for a
// commit, and lets go of keys at rest.
func (e *Engine) Flush() error {
	for _, r := range e.order {
		for _, x := range r.dirty {
			e.flush(r, x)
			x.noted = false
			if x.idle(r) {
				delete(r.keys, x.id)
			}
		}
		clear(r.dirty)
		r.dirty = r.dirty[:0]
		for _, a := range r.accounts {
			if a.changed {
				e.flushAccount(r, a)
			}
		}
	}
	if err := e.store.Err(); err != nil {
		return fmt.Errorf("flush baselines: %w", err)
	}
	return nil
}

func (e *Engine) flushAccount(r *ruleState, a *account) {
	a.changed = false
	if !r.gauge {
		e.put(r.accountRow(a, rowPopulation), a.pop.append(e.value[:0]))
	}
	if a.budget != nil {
		e.put(r.accountRow(a, rowBudget), a.budget.append(e.value[:0]))
	}
}

func (e *Engine) flush(r *ruleState, x *keyed) {
	for _, k := range x.stored {
		e.store.Delete(r.windowRow(x, k))
	}
	x.stored = x.stored[:0]
	for _, w := range x.open {
		if w.changed {
			e.put(r.windowRow(x, w.k), w.append(e.value[:0]))
			w.changed, w.stored = false, true
		}
	}
	if x.changed {
		e.flushState(r, x)
		x.changed = false
	}
	if !x.told {
		return
	}
	x.told = false
	for i, sort := range [...]byte{rowEpisode, rowDown} {
		switch p := x.episodes[i]; {
		case p != nil:
			e.put(r.keyRow(x, sort), p.append(e.value[:0]))
		case x.gone[i]:
			e.store.Delete(r.keyRow(x, sort))
			x.gone[i] = false
		}
	}
}

func (e *Engine) flushState(r *ruleState, x *keyed) {
	if x.state.Active > 0 {
		b, _ := x.state.AppendBinary(e.value[:0])
		e.put(r.keyRow(x, rowState), b)
	}
	if x.span != nil {
		e.put(r.keyRow(x, rowSpan), x.span.append(e.value[:0]))
	}
	switch {
	case x.gauge != nil:
		b, _ := x.gauge.AppendBinary(e.value[:0])
		e.put(r.keyRow(x, rowGauge), b)
	case r.spec.Direction != Up:
		e.store.Delete(r.keyRow(x, rowGauge))
	}
}

// Restore takes up what an earlier owner of the store left: its open windows
// and episodes, as of the watermark of its last commit. It forgets what is in
// memory.
func (e *Engine) Restore(watermark time.Time) error {
	if err := e.Begin(watermark); err != nil {
		return err
	}
	return e.scan(e.restore)
}

// Begin is Restore without the rows of the type key.Baseline in the store: Take
// has to follow for each of them.
func (e *Engine) Begin(watermark time.Time) error {
	for i, r := range e.order {
		fresh, err := newRule(r.Rule)
		if err != nil {
			return err
		}
		fresh.counts = r.counts
		if fresh.cal != nil {
			fresh.closed, _ = fresh.cal.windowOf(watermark)
		} else {
			fresh.seen.swept = watermark.Unix() / 3600
		}
		e.order[i], e.rules[r.ID] = fresh, fresh
	}
	return nil
}

// Take takes in a row of the type key.Baseline that the store has.
func (e *Engine) Take(row state.Row) error { return e.hand(row, e.restore) }

// scanned is a row of a rule taken apart.
type scanned struct {
	key   []byte
	sort  byte
	k     Window // of an open window
	id    []byte // see appendID
	value []byte
}

// scan goes through all rows of the rules.
func (e *Engine) scan(take func(r *ruleState, row *scanned) error) error {
	if len(e.order) == 0 {
		return nil
	}
	for _, rows := range [...]iter.Seq2[state.Row, error]{e.store.RangeTypes(key.Baseline, key.Baseline), e.store.Range(key.Whole(key.Baseline))} {
		for row, err := range rows {
			if err != nil {
				return fmt.Errorf("read baselines: %w", err)
			}
			if err := e.hand(row, take); err != nil {
				return err
			}
		}
	}
	return nil
}

// hand takes a row apart and gives it to take.
func (e *Engine) hand(row state.Row, take func(r *ruleState, row *scanned) error) error {
	parts, err := key.Parse(row.Key)
	if err != nil {
		return err
	}
	r, s := e.parse(parts)
	if r == nil {
		return nil // another rule, or the same before it was changed
	}
	s.key, s.value = row.Key, row.Value
	if err := take(r, s); err != nil {
		return fmt.Errorf("baseline row %q: %w", row.Key, err)
	}
	return nil
}

// parse takes a row's key apart; nil when it belongs to none of the rules.
func (e *Engine) parse(parts key.Parts) (*ruleState, *scanned) {
	name, rest, err := key.TakeString(parts.Rest)
	if err != nil {
		return nil, nil
	}
	hash, rest, err := key.TakeString(rest)
	r := e.rules[name]
	if err != nil || r == nil || r.StateHash != hash || len(rest) < 2 || rest[0] != FormatVersion {
		return nil, nil
	}
	s := &scanned{sort: rest[1]}
	rest = rest[2:]
	if s.sort == rowWindow {
		if len(rest) < 4 {
			return nil, nil
		}
		s.k, rest = binary.BigEndian.Uint32(rest), rest[4:]
	}
	s.id = append(s.id, parts.Hash[:]...)
	s.id = append(s.id, 0)
	if parts.Space == key.SpaceWhole {
		s.id[len(s.id)-1] = 1
	}
	if r.seen != nil { // hashes follow the account: it alone is the id
		if _, after, err := key.TakeString(rest); err == nil {
			rest = rest[:len(rest)-len(after)]
		}
	}
	s.id = append(s.id, rest...)
	return r, s
}

// restore takes a row up that has to be in memory.
func (e *Engine) restore(r *ruleState, row *scanned) error {
	if r.seen != nil {
		return e.restoreSeen(r, row)
	}
	switch row.sort {
	case rowState:
		r.known++
		return nil
	case rowGauge:
		if r.gauge {
			r.known++
		}
		if r.spec.Direction == Up {
			return nil
		}
	case rowWindow, rowEpisode, rowDown:
	default:
		return nil
	}
	x := r.keys[string(row.id)]
	if x == nil {
		p, values, err := parseID(row.id)
		if err != nil {
			return err
		}
		x = &keyed{id: string(row.id), account: r.account(p), values: values}
		r.keys[x.id] = x
	}
	switch row.sort {
	case rowWindow:
		w, err := decodeWindow(row.k, row.value)
		if err != nil {
			return err
		}
		r.insert(x, w)
	case rowEpisode, rowDown:
		p, err := decodeEpisode(row.value)
		if err != nil {
			return err
		}
		x.episodes[map[byte]int{rowEpisode: 0, rowDown: 1}[row.sort]] = p
	case rowGauge:
		g, err := DecodeGauge(row.value)
		if err != nil {
			return err
		}
		x.gauge = &g
	}
	r.follow(x)
	r.touched(x)
	return nil
}

// restoreSeen notes whose a row is, and how old it can be.
func (e *Engine) restoreSeen(r *ruleState, row *scanned) error {
	p, _, err := parseID(row.id)
	if err != nil || row.sort != rowSeen && row.sort != rowParent {
		return err
	}
	d, err := decodeDays(row.value)
	r.seen.hold(p, d.last)
	return err
}

// evict removes the keys that were active least recently when there are too
// many. Those with an open window or an episode stay.
func (e *Engine) evict(r *ruleState) error {
	if r.known <= r.spec.MaxKeys {
		return nil
	}
	if err := e.Flush(); err != nil {
		return err
	}
	type candidate struct {
		last Window
		key  []byte
		id   string
	}
	var all []candidate
	sort := byte(rowState)
	if r.gauge {
		sort = rowGauge
	}
	err := e.scan(func(of *ruleState, row *scanned) error {
		if of != r || row.sort != sort || r.keys[string(row.id)] != nil {
			return nil
		}
		at := 4 // State.Last
		if r.gauge {
			at = 148 // Gauge.Last
		}
		all = append(all, candidate{binary.LittleEndian.Uint32(row.value[at:]), slices.Clone(row.key), string(row.id)})
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortFunc(all, func(a, b candidate) int { return cmp.Or(cmp.Compare(a.last, b.last), cmp.Compare(a.id, b.id)) })
	excess := r.known - r.spec.MaxKeys + r.spec.MaxKeys/20 // some more, so that it need not be done at once again
	for _, c := range all[:min(excess, len(all))] {
		p, values, err := parseID([]byte(c.id))
		if err != nil {
			return err
		}
		x := &keyed{id: c.id, account: r.account(p), values: values}
		for _, sort := range [...]byte{rowState, rowGauge, rowSpan} {
			e.store.Delete(r.keyRow(x, sort))
		}
		r.known--
		r.counts.Evicted++
	}
	return e.store.Err()
}
