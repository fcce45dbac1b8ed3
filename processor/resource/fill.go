package resource

import (
	"cmp"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// fill copies what the entry names, and nothing else.
func (c *Change) fill(en *entry, s *scope) {
	c.State = en.nextState(s)
	for _, a := range en.set {
		if v, ok := a.value(s); ok {
			c.Set = append(c.Set, Attr{a.name, v})
		}
	}
	sortAttrs(c.Set)
	c.Unset = en.unset
	c.ReplaceTags = en.replaceTags || en.untagAll
	for _, t := range en.tags {
		c.Tags = t.collect(c.Tags, s)
	}
	sortAttrs(c.Tags)
	for _, key := range en.untag.texts(s) {
		c.Untag = append(c.Untag, bound(key))
	}
	slices.Sort(c.Untag)
	for _, l := range en.relate {
		added := l.relations(s, c.Key)
		c.Add = append(c.Add, added...)
		if l.replace && len(added) > 0 { // a call that names no group leaves the groups alone
			c.Replace = append(c.Replace, l.kind+" "+l.target)
		}
	}
	for _, l := range en.unrelate {
		if l.all {
			c.Replace = append(c.Replace, l.kind+" "+l.target)
			continue
		}
		c.Remove = append(c.Remove, l.relations(s, c.Key)...)
	}
}

// nextState: a create without a state of its own makes the resource active, a delete deleted. Only a delete ends a life, so
// another call that already sees the resource going says nothing.
func (en *entry) nextState(s *scope) string {
	switch en.effect {
	case Delete:
		return StateDeleted
	case Create:
		if st := states[strings.ToLower(en.state.first(s))]; st != "" && st != StateDeleted {
			return st
		}
		return StateActive
	}
	if st := states[strings.ToLower(en.state.first(s))]; st != StateDeleted {
		return st
	}
	return ""
}

func (a assign) value(s *scope) (string, bool) {
	texts := a.from.texts(s)
	if len(texts) == 0 {
		return "", false
	}
	switch a.kind {
	case "bool":
		v := boolean(texts[0])
		return v, v != ""
	case "list":
		texts = slices.Clone(texts)
		slices.Sort(texts)
		return bound(strings.Join(slices.Compact(texts), ",")), true
	}
	return bound(texts[0]), true
}

// bound copies a text, so that it does not keep the event alive, and cuts what is too long at a character.
func bound(text string) string {
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "")
	}
	return strings.Clone(text)
}

var pairNames = [...][2]string{{"key", "value"}, {"Key", "Value"}, {"tagKey", "tagValue"}, {"TagKey", "TagValue"}}

// collect reads tags. A member with a key is a pair, and one without value has an empty value; an object is a mapping.
func (t tagSource) collect(tags []Attr, s *scope) []Attr {
	if t.from == nil {
		return tags
	}
	for _, it := range t.from.eval(s) {
		if t.key != nil {
			inner := *s
			inner.item = it
			if key := t.key.first(&inner); key != "" {
				tags = append(tags, Attr{bound(key), bound(t.value.first(&inner))})
			}
			continue
		}
		tags = collectTags(tags, it.value)
	}
	return tags
}

func collectTags(tags []Attr, v *cloudtrail.Value) []Attr {
	for member := range v.Items() {
		tags = collectTags(tags, member)
	}
	for _, names := range pairNames {
		if key, ok := v.Get(names[0]).Text(); ok {
			value, _ := v.Get(names[1]).Text()
			return append(tags, Attr{bound(key), bound(value)})
		}
	}
	for key, value := range v.Members() {
		if text, ok := value.Text(); ok {
			tags = append(tags, Attr{bound(key), bound(text)})
		}
	}
	return tags
}

// relations are the members that a link names.
func (l link) relations(s *scope, from Key) (relations []Relation) {
	if l.rules != "" {
		return cloneRelations(securityRules(s, l.rules))
	}
	members := []item{s.item}
	if l.each != nil {
		members = l.each.eval(s)
	}
	for _, m := range members {
		inner := *s
		inner.item = m
		if l.to != nil {
			inner.kind = l.to
		}
		for _, id := range l.id.texts(&inner) {
			if key, ok := l.otherKey(id, from); ok {
				relations = append(relations, Relation{Kind: l.kind, Type: l.target, Key: key, Detail: l.details(&inner)})
			}
		}
	}
	return relations
}

func cloneRelations(rules []Relation) []Relation {
	for i := range rules {
		rules[i].Key = bound(rules[i].Key)
	}
	return rules
}

// otherKey is the other resource's key: in its own account and region where the id says so, else beside this one.
func (l link) otherKey(id string, from Key) (string, bool) {
	if l.to == nil {
		return bound(id), true
	}
	found, ok := l.to.identify(id)
	if !ok {
		return "", false
	}
	region := cmp.Or(found.region, from.Region)
	if l.to.Global {
		region = "global"
	}
	return bound(Key{cmp.Or(found.account, from.Account), region, l.to.Name, found.id}.String()), true
}

func (l link) details(s *scope) (details []Attr) {
	for _, a := range l.detail {
		if v, ok := a.value(s); ok {
			details = append(details, Attr{a.name, v})
		}
	}
	return details
}
