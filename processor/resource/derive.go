package resource

import (
	"cmp"
	"slices"
)

// derivations make attributes out of others and of relations, whenever the resource is read. They are not part of the state:
// a rule may be added in one event and removed in another, so no single event knows the answer. "" is not known.
var derivations = map[string]func(*View) string{
	"world_ports":   func(v *View) string { return worldPorts(v.Relations) },
	"bucket_public": bucketPublic,
}

func (v *View) derive(t *Type) {
	if t == nil {
		return
	}
	for _, name := range t.Attributes {
		made, ok := t.derived[name]
		if !ok {
			continue
		}
		if text := derivations[made](v); text != "" {
			v.Attributes = append(v.Attributes, Attr{name, text})
		}
	}
	slices.SortFunc(v.Attributes, func(a, b Attr) int { return cmp.Compare(a.Name, b.Name) })
}

// bucketPublic: a bucket is public when its ACL or its policy opens it and the block flag for that way is not on. It is not
// public when each way is known to be closed. The flags of the account, which block too, are a resource of their own.
func bucketPublic(v *View) string {
	acl := opened(v, "acl_public", "ignore_public_acls")
	policy := opened(v, "policy_public", "restrict_public_buckets")
	switch {
	case acl == "true" || policy == "true":
		return "true"
	case acl == "false" && policy == "false":
		return "false"
	}
	return ""
}

func opened(v *View, way, block string) string {
	if blocked, _ := v.Attribute(block); blocked == "true" {
		return "false"
	}
	open, _ := v.Attribute(way)
	return open
}
