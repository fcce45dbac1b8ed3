package detect

import (
	"encoding/binary"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/rule"
)

// context is what is known of an event, with the fields that rules name.
func contextOf(in *Event, shown []rule.Path) Context {
	e := in.Event
	c := Context{EventID: e.ID, Arrival: in.Arrival, Sequence: in.Sequence, Account: e.Account(), Alias: in.Account.Alias,
		Region: text(e, cloudtrail.AWSRegion), Root: in.Actor.Root, Role: in.Actor.Role, Session: in.Actor.Session,
		Name: text(e, cloudtrail.EventName), Source: text(e, cloudtrail.EventSource), Error: text(e, cloudtrail.ErrorCode),
		Address: text(e, cloudtrail.SourceIPAddress), UserAgent: text(e, cloudtrail.UserAgent)}
	c.add(in, shown)
	return c
}

// add reads the fields that rules name.
func (c *Context) add(in *Event, shown []rule.Path) {
	for i := range shown {
		if value, ok := shown[i].Shown(&in.Input); ok {
			c.put(shown[i].String(), value)
		}
	}
}

// listed reads what the lists that a rule asks say of the event.
func (c *Context) listed(in *Event, r *rule.Rule) { r.Listed(&in.Input, c.put) }

func (c *Context) put(name, value string) {
	if c.Fields == nil {
		c.Fields = map[string]string{}
	}
	c.Fields[name] = value
}

func text(e *cloudtrail.Event, f cloudtrail.Field) string {
	s, _ := e.Text(f)
	return s
}

// maxText bounds a text in a context that waits in the state, bytes.
const maxText = 256

// append writes a context as windows and baselines keep it until they close.
func (c *Context) append(buf []byte) []byte {
	buf = binary.AppendVarint(buf, c.Arrival.UnixMilli())
	for _, p := range [...]string{c.EventID, c.Sequence, c.Account, c.Alias, c.Region, c.Root, c.Role, c.Session, c.Name, c.Source, c.Error, c.Address, c.UserAgent} {
		buf = appendText(buf, p)
	}
	if len(c.Fields) > 0 {
		for _, name := range sortedKeys(c.Fields) {
			buf = appendText(appendText(buf, name), c.Fields[name])
		}
	}
	return buf
}

// appendText writes a text behind its length, cut to what is kept of it.
func appendText(buf []byte, s string) []byte {
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return append(binary.AppendUvarint(buf, uint64(len(s))), s...)
}

// decodeContext reads what append wrote. What is cut off stays empty.
func decodeContext(s string) (c Context) {
	buf := []byte(s)
	ms, n := binary.Varint(buf)
	if n <= 0 {
		return c
	}
	c.Arrival, buf = time.UnixMilli(ms).UTC(), buf[n:]
	next := func() (part string, ok bool) {
		size, n := binary.Uvarint(buf)
		if n <= 0 || uint64(len(buf)-n) < size {
			return "", false
		}
		part, buf = string(buf[n:n+int(size)]), buf[n+int(size):]
		return part, true
	}
	for _, p := range []*string{&c.EventID, &c.Sequence, &c.Account, &c.Alias, &c.Region, &c.Root, &c.Role, &c.Session, &c.Name, &c.Source, &c.Error, &c.Address, &c.UserAgent} {
		*p, _ = next()
	}
	for name, ok := next(); ok; name, ok = next() {
		if c.Fields == nil {
			c.Fields = map[string]string{}
		}
		c.Fields[name], _ = next()
	}
	return c
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
