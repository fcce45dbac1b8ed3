package baseline

import (
	"encoding/binary"
	"fmt"
	"iter"
	"time"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

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
