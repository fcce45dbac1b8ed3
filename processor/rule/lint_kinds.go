package rule

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// kinds is a set of sorts of text. Two fields whose texts are never of one sort
// are never equal.
type kinds uint16

const (
	anAddress kinds = 1 << iota
	anARN
	anAccount // 12 digits
	aNumber
	aBoolean
	aTime
	aKey     // id of an access key
	aService // ec2.amazonaws.com
	aWord    // anything else
)

var sorts = [...]string{"addresses", "ARNs", "account ids", "numbers", "true or false", "times", "ids of access keys", "names of services", "names"}

// String lists the sorts for people.
func (k kinds) String() string {
	var words []string
	for i, name := range sorts {
		if k&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	return strings.Join(words, ", ")
}

// kindOf is the sort of a text.
func kindOf(text string) kinds {
	switch {
	case text == "true" || text == "false":
		return aBoolean
	case strings.HasPrefix(text, "arn:"):
		return anARN
	case strings.HasSuffix(text, ".amazonaws.com"):
		return aService
	case len(text) == 12 && allDigits(text):
		return anAccount
	case len(text) >= 16 && (strings.HasPrefix(text, "AKIA") || strings.HasPrefix(text, "ASIA")):
		return aKey
	}
	if _, err := netip.ParseAddr(text); err == nil {
		return anAddress
	}
	if _, err := time.Parse(time.RFC3339, text); err == nil {
		return aTime
	}
	if _, ok := parseDecimal(text); ok {
		return aNumber
	}
	return aWord
}

// knownKinds are the sorts of fields by their documentation ("CloudTrail record
// contents", "CloudTrail userIdentity element"), for those of which no history
// tells.
var knownKinds = map[string]kinds{
	cloudtrail.EventTime.Path(): aTime, cloudtrail.SessionCreationDate.Path(): aTime, cloudtrail.MFAAuthenticated.Path(): aBoolean, cloudtrail.ReadOnly.Path(): aBoolean,
	cloudtrail.SourceIPAddress.Path(): anAddress | aService | aWord, cloudtrail.EventSource.Path(): aService, cloudtrail.EventName.Path(): aWord, cloudtrail.AWSRegion.Path(): aWord,
	cloudtrail.RecipientAccountID.Path(): anAccount, cloudtrail.IdentityAccountID.Path(): anAccount, cloudtrail.IssuerAccountID.Path(): anAccount,
	cloudtrail.IdentityARN.Path(): anARN, cloudtrail.IssuerARN.Path(): anARN, cloudtrail.IdentityAccessKeyID.Path(): aKey,
	cloudtrail.IdentityUserName.Path(): aWord, cloudtrail.IssuerUserName.Path(): aWord, cloudtrail.IdentityType.Path(): aWord, cloudtrail.ErrorCode.Path(): aWord,
}

// kindsAt is what is known of the texts at a path; 0 when that is too little.
func kindsAt(path string, seen map[string]*shape) kinds {
	if s := seen[path]; s != nil && s.texts >= enough {
		return s.kinds
	}
	return knownKinds[path]
}

// clashes tells of tests that the values of a field cannot meet.
func clashes(a *atom, seen map[string]*shape) []string {
	if t, ok := a.test.(*sameAs); ok {
		return unlike(a, t, seen)
	}
	s := seen[a.path.text]
	if s == nil || s.texts < enough {
		return nil
	}
	switch a.test.(type) {
	case networkTest, *networks:
		if s.addresses == 0 {
			return []string{fmt.Sprintf("type-clash: cidr on %s, which was never an address in %d events: hold it against text, or another field against the networks", a.path.text, s.texts)}
		}
	case *orderTest:
		if s.numbers == 0 {
			return []string{fmt.Sprintf("type-clash: %s is compared as a number and was never one in %d events: hold it against text", a.path.text, s.texts)}
		}
	}
	return nil
}

// unlike tells of two fields that are never equal.
func unlike(a *atom, t *sameAs, seen map[string]*shape) []string {
	left, right := kindsAt(a.path.text, seen), kindsAt(t.other.text, seen)
	if t.modifier != "" || left == 0 || right == 0 || left&right != 0 {
		return nil
	}
	return []string{fmt.Sprintf("type-clash: fieldref of %s, which holds %s, to %s, which holds %s: they are never equal; refer to a field of the same sort, or write fieldref|contains",
		a.path.text, left, t.other.text, right)}
}

// filter notes what filters take out of the matches of an event.
func (l *Lint) filter(in *Input) {
	v := view{Input: in}
	holds := func(x *expr) bool { return x.atom.holds(&v) }
	for i, f := range l.set.filters {
		if f.when == nil || !f.when.eval(holds) {
			continue
		}
		for _, r := range f.rules {
			if !r.overResources && r.before.eval(holds) {
				l.removed[i]++
				break
			}
		}
	}
}

// idle tells of filters that took nothing out.
func (l *Lint) idle() (out []string) {
	if l.events < enough {
		return nil
	}
	for i, f := range l.set.filters {
		if l.removed[i] == 0 && !f.overResources {
			out = append(out, fmt.Sprintf("%s: idle-filter: %q took nothing out of %d events: remove it, or look whether what it leaves out is still written so",
				f.filter.Origin, f.filter.Title, l.events))
		}
	}
	return out
}
