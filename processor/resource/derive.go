package resource

import (
	"cmp"
	"slices"
)

// derivations make attributes out of others and of relations, whenever the resource is read. They are not part of the state:
// a rule may be added in one event and removed in another, so no single event knows the answer. "" is not known.
var derivations = map[string]func(*View) string{
	"world_ports":       func(v *View) string { return worldPorts(v.Relations) },
	"bucket_public":     bucketPublic,
	"shared_with_all":   sharedWithAll,
	"permission_public": permissionPublic,
	"url_public":        urlPublic,
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

// sharedWithAll: a snapshot or an image is public when it is shared with everyone. It begins unshared, so without such a member
// the answer is known only where the creation is.
func sharedWithAll(v *View) string {
	for _, r := range v.Relations {
		if r.Kind == "shared_with" && r.Key == "all" {
			return "true"
		}
	}
	if v.Origin == OriginEvent {
		return "false"
	}
	return ""
}

// permissionPublic: everyone may call the function, unless the permission names the account or organization of the caller.
func permissionPublic(v *View) string {
	principal, known := v.Attribute("principal")
	_, account := v.Attribute("source_account")
	_, organization := v.Attribute("organization")
	switch {
	case !known:
		return ""
	case principal == "*" && !account && !organization:
		return "true"
	}
	return "false"
}

func urlPublic(v *View) string {
	switch auth, _ := v.Attribute("auth_type"); auth {
	case "":
		return ""
	case "NONE":
		return "true"
	}
	return "false"
}
