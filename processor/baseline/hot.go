package baseline

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Attribute is a property of events to which a finding attributes them.
type Attribute uint8

// The attributes.
const (
	PrincipalARN Attribute = iota
	UserAgent
	ErrorCode
	SourceIP
	Region
	NumAttributes
)

var attributeNames = [NumAttributes]string{"userIdentity.arn", "userAgent", "errorCode", "sourceIPAddress", "awsRegion"}

// Attributions are the values of an attribute that most events of a window had.
type Attributions struct {
	Attribute string        `json:"attribute"`
	Top       []Attribution `json:"top"`
}

// Attribution is one value. Events may be too many by at most Error.
type Attribution struct {
	Value   string  `json:"value"`
	Events  uint32  `json:"events"`
	Error   uint32  `json:"error,omitempty"`
	Insight Average `json:"insight"`
}

// Places of a counter, and how many of them a finding shows.
const (
	spacePlaces = 8
	spaceShown  = 5
	hotIDs      = 100
)

// spaceSaving counts the most frequent values in a few places (Metwally and
// others 2005): a value without a place takes the one of the least and
// inherits its count as a possible error.
type spaceSaving []Attribution

func (s *spaceSaving) add(v string) {
	if v == "" {
		return
	}
	least := 0
	for i := range *s {
		p := &(*s)[i]
		if p.Value == v {
			p.Events++
			return
		}
		if p.Events < (*s)[least].Events {
			least = i
		}
	}
	if len(*s) < spacePlaces {
		*s = append(*s, Attribution{Value: clone(v), Events: 1})
		return
	}
	p := &(*s)[least]
	*p = Attribution{Value: clone(v), Events: p.Events + 1, Error: p.Events}
}

// clone frees a value from the buffer that it was read in, and bounds it.
func clone(v string) string { return string(append([]byte(nil), v[:min(len(v), 512)]...)) }

// top are the most frequent values.
func (s spaceSaving) top(minutes float64) []Attribution {
	list := slices.Clone(s)
	slices.SortFunc(list, func(a, b Attribution) int {
		return cmp.Or(cmp.Compare(b.Events, a.Events), cmp.Compare(a.Value, b.Value))
	})
	list = list[:min(len(list), spaceShown)]
	for i := range list {
		list[i].Insight = Average{float64(list[i].Events) / minutes, minutes}
	}
	return list
}

// hot is what is kept of an open window whose count is unusual already.
type hot struct {
	events uint32 // seen since
	tops   [NumAttributes]spaceSaving
	ids    []hotID // newest last
}

type hotID struct {
	at int64 // ms
	id []byte
}

func (a hotID) compare(b hotID) int {
	return cmp.Or(cmp.Compare(a.at, b.at), bytes.Compare(a.id, b.id))
}

func (h *hot) add(ev *Event) {
	h.events++
	for a, v := range ev.Attributes {
		h.tops[a].add(v)
	}
	h.remember(ev.Time.UnixMilli(), ev.ID)
}

// remember keeps the id of an event if it is among the newest. Once they are
// full, the place of the oldest is used again.
func (h *hot) remember(at int64, id string) {
	var free []byte
	if len(h.ids) == hotIDs {
		oldest := &h.ids[0]
		if at < oldest.at || at == oldest.at && id <= string(oldest.id) {
			return
		}
		free = oldest.id[:0]
		copy(h.ids, h.ids[1:])
		h.ids = h.ids[:hotIDs-1]
	}
	e := hotID{at, append(free, id...)}
	i := len(h.ids)
	for i > 0 && h.ids[i-1].compare(e) > 0 { // nearly always the newest
		i--
	}
	h.ids = slices.Insert(h.ids, i, e)
}

func (h *hot) attributions(minutes float64) (list []Attributions) {
	for a := range h.tops {
		if top := h.tops[a].top(minutes); len(top) > 0 {
			list = append(list, Attributions{attributeNames[a], top})
		}
	}
	return list
}

func (h *hot) eventIDs() []string {
	out := make([]string, len(h.ids))
	for i, id := range h.ids {
		out[i] = string(id.id)
	}
	return out
}

func (h *hot) append(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(h.events))
	for _, s := range h.tops {
		b = binary.AppendUvarint(b, uint64(len(s)))
		for _, p := range s {
			b = appendText(b, p.Value)
			b = binary.AppendUvarint(b, uint64(p.Events))
			b = binary.AppendUvarint(b, uint64(p.Error))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(h.ids)))
	for _, id := range h.ids {
		b = appendText(binary.AppendVarint(b, id.at), string(id.id))
	}
	return b
}

func (r *reader) hot() *hot {
	h := &hot{events: uint32(r.uvarint())}
	for a := range h.tops {
		for range r.count() {
			h.tops[a] = append(h.tops[a], Attribution{Value: r.text(), Events: uint32(r.uvarint()), Error: uint32(r.uvarint())})
		}
	}
	for range r.count() {
		h.ids = append(h.ids, hotID{r.varint(), []byte(r.text())})
	}
	return h
}
