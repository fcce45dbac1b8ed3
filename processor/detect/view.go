package detect

import (
	"strconv"
	"strings"
	"time"

	"github.com/cairnstream/cairn/processor/resource"
	"github.com/cairnstream/cairn/processor/rule"
)

// Fields lets rules read a resource: resource.type, key, arn, id, name,
// account, region, state, origin, owner, environment, unknown, tags.<name>,
// age_days and the attributes of its type; and change.effect, change.event,
// change.source and change.actor of what happened to it, if change is not nil.
// Ages are counted up to at.
func Fields(v *resource.View, change *resource.Change, at time.Time) rule.Resource {
	return FieldsOf(v.Key, func() *resource.View { return v }, change, at)
}

// FieldsOf is Fields of a resource whose view costs something: it is asked for
// only when a rule reads what the key does not say. Nearly all rules ask for the
// type first.
func FieldsOf(k resource.Key, view func() *resource.View, change *resource.Change, at time.Time) rule.Resource {
	return func(path string) []string {
		first, name, _ := strings.Cut(path, ".")
		if first == "change" {
			return changeField(change, name)
		}
		if text, ok := keyField(k, name); ok {
			return one(text)
		}
		return viewField(view(), name, at)
	}
}

// keyField are the fields that the key of a resource tells.
func keyField(k resource.Key, name string) (text string, ok bool) {
	switch name {
	case "type":
		return k.Type, true
	case "key":
		return k.String(), true
	case "id":
		return k.ID, true
	case "account":
		return k.Account, true
	case "region":
		return k.Region, true
	}
	return "", false
}

// one is a list of one text; of none when there is none.
func one(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}

func viewField(v *resource.View, name string, at time.Time) []string {
	if tag, ok := strings.CutPrefix(name, "tags."); ok {
		return attribute(v.Tags, tag)
	}
	if text := fixed(v, name, at); text != "" {
		return one(text)
	}
	if name == "unknown" {
		return v.Unknown
	}
	values := attribute(v.Attributes, name)
	if name == "world_ports" && len(values) == 1 { // the one attribute that is a list
		return strings.Split(values[0], ",")
	}
	return values
}

func attribute(attrs []resource.Attr, name string) []string {
	for _, a := range attrs {
		if a.Name == name {
			return []string{a.Value}
		}
	}
	return nil
}

// fixed are the fields that every resource has, beside those of its key.
func fixed(v *resource.View, name string, at time.Time) string {
	switch name {
	case "arn":
		return v.ARN
	case "name":
		return v.Name
	case "state":
		return v.State
	case "origin":
		return v.Origin
	case "owner":
		return v.Owner
	case "environment":
		return v.Environment
	case "vpc_id":
		return v.VPCID
	case "subnet_id":
		return v.SubnetID
	case "created_by":
		return v.CreatedBy
	case "age_days":
		return days(v.Created, at)
	}
	return ""
}

func days(since, at time.Time) string {
	if since.IsZero() || at.Before(since) {
		return ""
	}
	return strconv.Itoa(int(at.Sub(since) / (24 * time.Hour)))
}

func changeField(c *resource.Change, name string) []string {
	if c == nil {
		return nil
	}
	text := ""
	switch name {
	case "effect":
		text = c.Effect.String()
	case "event":
		text = c.EventName
	case "source":
		text = c.EventSource
	case "actor":
		text = c.Actor.Root
	case "via":
		text = c.Actor.Via
	}
	return one(text)
}
