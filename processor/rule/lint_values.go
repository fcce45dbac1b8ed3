package rule

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// closed are fields whose values CloudTrail's documentation lists ("CloudTrail
// record contents", "CloudTrail userIdentity element"), folded.
var closed = map[string][]string{
	"eventType": {"awsapicall", "awsserviceevent", "awsconsoleaction", "awsconsolesignin", "awscloudtrailinsight", "awsvpceevent"},
	"userIdentity.type": {"root", "iamuser", "assumedrole", "role", "federateduser", "directory", "awsaccount", "awsservice", "identitycenteruser", "unknown",
		"webidentityuser", "samluser"},
	"eventCategory":   {"management", "data", "insight", "networkactivity"},
	"readOnly":        {"true", "false"},
	"managementEvent": {"true", "false"},
	"userIdentity.sessionContext.attributes.mfaAuthenticated": {"true", "false"},
}

// never are values that look as if they meant something, and do not.
var never = map[string]map[string]string{
	"errorCode": {"success": "a call that succeeded has no errorCode: write errorCode: null"},
}

// deadValues tells of values that a field never takes.
func deadValues(a *atom) (out []string) {
	for _, value := range a.values() {
		if why := never[a.path.text][value]; why != "" {
			out = append(out, fmt.Sprintf("dead-value: %s is never %q: %s", a.path.text, value, why))
		}
		if known := closed[a.path.text]; known != nil && !slices.Contains(known, value) {
			out = append(out, fmt.Sprintf("dead-value: %s is never %q%s", a.path.text, value, meantOr(value, known, "it is one of "+strings.Join(known, ", "))))
		}
	}
	return out
}

// values are the texts that an atom compares for equality, folded, in order.
func (a *atom) values() (out []string) {
	switch t := a.test.(type) {
	case *textTest:
		if text, ok := t.pattern.literal(); ok && text != "" {
			out = append(out, fold(text))
		}
	case setTest:
		out = sortedKeys(t)
	case *listTest:
		if !t.cased {
			out = slices.Sorted(maps.Keys(t.plain))
		}
	}
	return out
}

// deadNames tells of names of calls that the history has in another spelling
// only.
func (l *Lint) deadNames(r *Rule, a *atom) (out []string) {
	sources, ok := r.when.required("eventSource")
	if !ok {
		return nil
	}
	var known, folded []string
	for source, names := range l.names {
		if slices.Contains(sources, fold(source)) {
			for name := range names {
				known = append(known, name)
			}
		}
	}
	slices.Sort(known)
	for _, n := range known {
		folded = append(folded, fold(n))
	}
	for _, value := range a.values() {
		if slices.Contains(folded, value) {
			continue
		}
		if version := versioned(value, known); version != "" {
			out = append(out, fmt.Sprintf("dead-name: %s is recorded with its version, as %s: write %s*", value, version, version[:len(value)]))
		} else if best := slices.Index(folded, nearest(value, folded)); best >= 0 && len(value) > 8 && slip(value, folded[best]) {
			out = append(out, fmt.Sprintf("dead-name: no event is called %s; did you mean %s?", value, known[best]))
		}
	}
	return out
}

// slip tells whether a name is another one with a letter more, less or wrong, or
// with letters in another order. What differs in more may well be a call of its
// own, as Ingress and Egress are, and Get and Put.
func slip(name, known string) bool {
	if name[:3] != known[:3] {
		return false
	}
	letters := func(s string) string { return string(slices.Sorted(slices.Values([]byte(s)))) }
	return distance(name, known) == 1 || letters(name) == letters(known)
}

// versioned finds a name that is a folded one and digits, as those of older
// interfaces of Lambda and CloudFront.
func versioned(value string, known []string) string {
	for _, n := range known {
		rest, ok := strings.CutPrefix(fold(n), value)
		if ok && len(rest) >= 8 && strings.Trim(rest, "0123456789_v") == "" {
			return n
		}
	}
	return ""
}
