package window

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// The rows of a correlation lie under its id and version, so that a changed
// rule finds none:
//
//	'K' hash 'A' rule version 'g' group         the group, or its first part
//	'K' hash 'A' rule version 'p' group number  a further part
//	'K' hash 'A' rule version 's' cause         what a suppression holds back
//	'X' 'A' rule version                        until when findings are incomplete
const (
	rowGroup byte = 'g'
	rowPart  byte = 'p'
	rowHeld  byte = 's'
)

// partSize is how much of a group a row holds, in bytes.
const partSize = 256 << 10

func rowPrefix(rule, version string) []byte {
	return key.AppendString(key.AppendString(nil, rule), version)
}

// bounded replaces what is too long for a key by its hash.
func bounded(id string) []byte {
	if len(id) <= 1024 {
		return []byte(id)
	}
	sum := sha256.Sum256([]byte(id))
	return sum[:]
}

func (g *group) row(kind byte, number int) []byte {
	k := key.Keyed(g.hash, key.Aggregate, g.rule.prefix, []byte{kind}, bounded(g.id[len(g.hash):]))
	if kind == rowPart {
		k = key.AppendUint64(k, uint64(number))
	}
	return k
}

// group returns the group of an event, which is made if need be.
func (e *Engine) group(r *rule, ev *Event, values []string) *group {
	e.name = identity(e.name, ev, values)
	if g := r.groups[string(e.name)]; g != nil {
		if !e.warm(g) {
			return nil
		}
		return g
	}
	g := &group{rule: r, id: string(e.name), hash: ev.Hash, account: strings.Clone(ev.Account), newest: never, hot: never - 1, settled: never}
	for _, v := range values {
		g.values = append(g.values, strings.Clone(v))
	}
	if now := e.closeOf(r); now != never {
		g.leap(now)
	}
	r.groups[g.id] = g
	g.weigh()
	e.room(r, g)
	return g
}

// room drops groups when the rule has too many: those that were touched least
// recently in event time, a twentieth at once.
func (e *Engine) room(r *rule, but *group) {
	most, bytes := cmp.Or(r.spec.MaxGroups, DefaultMaxGroups), cmp.Or(r.spec.MaxBytes, DefaultMaxBytes)
	if len(r.groups) <= most && r.counts.Bytes <= bytes {
		return
	}
	all := make([]*group, 0, len(r.groups))
	for _, g := range r.groups {
		if g != but {
			all = append(all, g)
		}
	}
	slices.SortFunc(all, func(a, b *group) int { return cmp.Or(cmp.Compare(a.newest, b.newest), cmp.Compare(a.id, b.id)) })
	for _, g := range all {
		if len(r.groups) <= most-most/20 && r.counts.Bytes <= bytes-bytes/20 {
			break
		}
		e.drop(g)
		r.counts.Evicted++
	}
	r.incomplete = e.closeOf(r) + r.span
	w := writer{}
	w.header(r.incomplete)
	e.store.Put(key.Whole(key.Aggregate, r.prefix), w.buf)
}

// drop forgets a group and its rows.
func (e *Engine) drop(g *group) {
	delete(g.rule.groups, g.id)
	g.grow(-g.size)
	for i := range g.parts {
		e.store.Delete(g.row(kindOf(i), i))
	}
	g.parts, g.due, g.gone = 0, 0, true
}

func kindOf(part int) byte {
	if part == 0 {
		return rowGroup
	}
	return rowPart
}

// warm reads a group whose body is in the store only.
func (e *Engine) warm(g *group) bool {
	if !g.cold {
		return true
	}
	var body []byte
	for i := range g.parts {
		value, ok, err := e.store.Get(g.row(kindOf(i), i))
		if err == nil && !ok {
			err = errors.New("a part is missing")
		}
		if err != nil {
			return e.failed(g, err)
		}
		body = append(body, partBody(value, i)...)
	}
	if err := g.decode(body); err != nil {
		return e.failed(g, err)
	}
	g.cold = false
	return true
}

func (e *Engine) failed(g *group, err error) bool {
	e.err = fmt.Errorf("windows of %s: %w", g.rule.spec.ID, err)
	return false
}

// partBody is what a row has of the group's own bytes. A damaged head was
// found when the row was first read.
func partBody(value []byte, number int) []byte {
	if number > 0 {
		return value
	}
	var g group
	body, _ := g.decodeHead(value)
	return body
}

// encodeHead is what has to be known of a group without its body.
func (g *group) encodeHead(parts int) []byte {
	w := writer{}
	w.header(g.newest)
	w.text(g.id)
	w.int(g.due)
	w.int(g.size)
	w.uint(uint64(parts))
	return w.buf
}

func (g *group) decodeHead(value []byte) (body []byte, err error) {
	r := reader{buf: value}
	g.newest, g.id, g.due, g.size, g.parts = r.header(), r.text(), r.int(), r.int(), int(r.uint())
	if r.failed || len(g.id) < len(g.hash) {
		return nil, errDamaged
	}
	copy(g.hash[:], g.id)
	return r.buf, nil
}

// Flush writes what has changed to the store, before the shard freezes it.
func (e *Engine) Flush() error {
	for _, g := range e.dirty {
		if g.dirty = false; !g.gone {
			e.write(g)
		}
	}
	for _, x := range e.changed {
		if x.holder != nil {
			e.store.Put(x.row(), x.encode())
			x.dirty, x.stored = false, true
		}
	}
	clear(e.dirty)
	clear(e.changed)
	e.dirty, e.changed = e.dirty[:0], e.changed[:0]
	e.cool()
	return cmp.Or(e.err, e.store.Err())
}

func (e *Engine) write(g *group) {
	body := g.encode()
	parts := 1 + max(0, len(body)-1)/partSize
	for i := range parts {
		value := body[i*partSize : min(len(body), (i+1)*partSize)]
		if i == 0 {
			value = append(g.encodeHead(parts), value...)
		}
		e.store.Put(g.row(kindOf(i), i), value)
	}
	for i := parts; i < g.parts; i++ {
		e.store.Delete(g.row(rowPart, i))
	}
	g.parts = parts
}

// cool lets go of groups that were not touched since the last flush, when those
// in memory take more than they may. What is dropped is in the store.
func (e *Engine) cool() {
	var warm int64
	for _, r := range e.rules {
		for _, g := range r.groups {
			if !g.cold {
				warm += g.size
			}
		}
	}
	for _, r := range e.rules {
		for _, g := range r.groups {
			if warm > e.cache && !g.active && !g.cold {
				g.rest()
			}
			g.active = false
		}
	}
}

// rest leaves of a group what its head holds.
func (g *group) rest() {
	*g = group{rule: g.rule, id: g.id, hash: g.hash, newest: g.newest, due: g.due, size: g.size, parts: g.parts, cold: true}
}

// known enters correlations and suppressions by the beginning of their rows'
// keys, and reads until when findings are incomplete.
func (e *Engine) known() error {
	for _, r := range e.rules {
		e.ruleOf[string(r.prefix)] = r
		value, ok, err := e.store.Get(key.Whole(key.Aggregate, r.prefix))
		if err != nil {
			return fmt.Errorf("windows: %w", err)
		}
		if ok {
			row := reader{buf: value}
			r.incomplete = row.header()
		}
	}
	for _, h := range e.holds {
		e.holderOf[string(h.prefix)] = h
	}
	return nil
}

// restore takes all rows in.
func (e *Engine) restore() error {
	for row, err := range e.store.RangeTypes(key.Aggregate, key.Aggregate) {
		if err != nil {
			return fmt.Errorf("windows: %w", err)
		}
		if err := e.Take(row); err != nil {
			return err
		}
	}
	return nil
}

// Take takes in a keyed row of the type key.Aggregate that the store has.
func (e *Engine) Take(row state.Row) error {
	if err := e.takeRow(row); err != nil {
		return fmt.Errorf("windows: row %q: %w", row.Key, err)
	}
	return nil
}

func (e *Engine) takeRow(row state.Row) error {
	at, err := key.Parse(row.Key)
	if err != nil {
		return err
	}
	_, rest, err := key.TakeString(at.Rest)
	if err == nil {
		_, rest, err = key.TakeString(rest)
	}
	if err != nil || len(rest) == 0 {
		return cmp.Or(err, errDamaged)
	}
	prefix := at.Rest[:len(at.Rest)-len(rest)]
	r, h := e.ruleOf[string(prefix)], e.holderOf[string(prefix)]
	switch {
	case rest[0] == rowGroup && r != nil:
		return e.loadGroup(r, row.Value)
	case rest[0] == rowPart && r != nil:
		return nil // with its group
	case rest[0] == rowHeld && h != nil:
		return e.loadHeld(h, at.Hash, row.Value)
	}
	return nil // of a rule that is gone; whoever knows all rules removes it
}

func (e *Engine) loadGroup(r *rule, value []byte) error {
	g := &group{rule: r, cold: true}
	if _, err := g.decodeHead(value); err != nil {
		return err
	}
	r.groups[g.id] = g
	r.counts.Bytes += g.size
	if g.due != 0 {
		e.queue.push(item{due: g.due - r.offset, rule: r.index, id: g.id, g: g})
	}
	return nil
}

func (e *Engine) loadHeld(h *holder, hash key.Hash, value []byte) error {
	x, err := h.decode(hash, value)
	if err != nil {
		return err
	}
	h.open[x.id] = x
	e.keep(x)
	return nil
}
