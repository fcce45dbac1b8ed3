package baseline

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

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
