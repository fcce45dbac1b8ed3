package alert

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/export/yamlat"
)

// condition is a map of the key match: all its tests must hold.
type condition []test

// test is one line of it: one of the values must be met by one of the texts of
// the column, or none of them if it is turned round.
type test struct {
	texts    func(*export.FindingRow) []string
	patterns []string // with * and ?; folded
	null     bool     // the column may be absent
	not      bool
}

// columns of a finding that can be matched, by the names that the lake has.
var columns = map[string]func(*export.FindingRow) []string{
	"finding_id":    func(r *export.FindingRow) []string { return []string{r.FindingID} },
	"rule_id":       func(r *export.FindingRow) []string { return []string{r.RuleID} },
	"rule_version":  func(r *export.FindingRow) []string { return []string{r.RuleVersion} },
	"rule_title":    func(r *export.FindingRow) []string { return []string{r.RuleTitle} },
	"rule_kind":     func(r *export.FindingRow) []string { return []string{r.RuleKind} },
	"severity":      func(r *export.FindingRow) []string { return []string{r.Severity} },
	"tags":          func(r *export.FindingRow) []string { return r.Tags },
	"state":         func(r *export.FindingRow) []string { return []string{r.State} },
	"state_reason":  func(r *export.FindingRow) []string { return present(r.StateReason) },
	"account_id":    func(r *export.FindingRow) []string { return present(r.AccountID) },
	"account_alias": func(r *export.FindingRow) []string { return present(r.AccountAlias) },
	"region":        func(r *export.FindingRow) []string { return present(r.Region) },
	"actor_root":    func(r *export.FindingRow) []string { return present(r.ActorRoot) },
	"actor_role":    func(r *export.FindingRow) []string { return present(r.ActorRole) },
	"actor_session": func(r *export.FindingRow) []string { return present(r.ActorSession) },
	"event_count":   func(r *export.FindingRow) []string { return []string{strconv.FormatInt(r.EventCount, 10)} },
	"resource_keys": func(r *export.FindingRow) []string { return r.ResourceKeys },
	"shard":         func(r *export.FindingRow) []string { return []string{r.Shard} },
	"summary":       func(r *export.FindingRow) []string { return []string{r.Summary} },
}

func present(s *string) []string {
	if s == nil {
		return nil
	}
	return []string{*s}
}

// column finds a column, or a member of the maps fields and group_key.
func column(name string) func(*export.FindingRow) []string {
	if c, ok := columns[name]; ok {
		return c
	}
	member := func(of func(*export.FindingRow) map[string]string, key string) func(*export.FindingRow) []string {
		return func(r *export.FindingRow) []string {
			if v, ok := of(r)[key]; ok {
				return []string{v}
			}
			return nil
		}
	}
	if key, ok := strings.CutPrefix(name, "fields."); ok {
		return member(func(r *export.FindingRow) map[string]string { return r.Fields }, key)
	}
	if key, ok := strings.CutPrefix(name, "group_key."); ok {
		return member(func(r *export.FindingRow) map[string]string { return r.GroupKey }, key)
	}
	return nil
}

// conditions reads the key match: a map, or a list of maps of which one must
// hold.
func (r *reader) conditions(n *node) (out []condition) {
	for _, m := range n.List() {
		if m.Kind != yamlat.Map || len(m.Keys) == 0 {
			r.fail(m, "match is a map from columns of a finding to values, such as {account_id: '123456789012'}")
			continue
		}
		var c condition
		for i, k := range m.Keys {
			c = append(c, r.test(k, m.Items[i]))
		}
		out = append(out, c)
	}
	return out
}

func (r *reader) test(k, v *node) (t test) {
	name, modifier, _ := strings.Cut(k.Text, "|")
	if t.texts = column(name); t.texts == nil {
		r.fail(k, "a finding has no column %q; there are %s, fields.NAME and group_key.NAME", name, strings.Join(slices.Sorted(maps.Keys(columns)), ", "))
	}
	before, after := "", ""
	switch modifier {
	case "":
	case "contains":
		before, after = "*", "*"
	case "startswith":
		after = "*"
	case "endswith":
		before = "*"
	case "neq":
		t.not = true
	default:
		r.fail(k, "unknown modifier %q; there are contains, startswith, endswith, neq", modifier)
	}
	for _, item := range v.List() {
		switch item.Kind {
		case yamlat.Text, yamlat.Number, yamlat.Bool:
			t.patterns = append(t.patterns, before+item.Text+after)
		case yamlat.Null:
			t.null = true
		default:
			r.fail(item, "%s is compared with texts", name)
		}
	}
	return t
}

// wants tells whether a sink asks for a finding: never one that is held back,
// on trial or a mere fact.
func (s *Sink) wants(r *export.FindingRow) bool {
	level := slices.Index(levels, r.Severity)
	if level < 1 || level < slices.Index(levels, s.MinSeverity) || r.Staged || r.SuppressedBy != nil || !slices.Contains(s.Send, stepOf(r)) {
		return false
	}
	return s.matches(r)
}

func (s *Sink) matches(r *export.FindingRow) bool {
	return len(s.match) == 0 || slices.ContainsFunc(s.match, func(c condition) bool { return c.holds(r) })
}

// refusals are all reasons why a sink does not ask for a finding, none for one
// that it wants.
func (s *Sink) refusals(r *export.FindingRow) (why []string) {
	level := slices.Index(levels, r.Severity)
	if level < max(1, slices.Index(levels, s.MinSeverity)) {
		why = append(why, fmt.Sprintf("its severity is %s and the sink's min_severity is %s", r.Severity, s.MinSeverity))
	}
	if r.Staged {
		why = append(why, "its rule is on trial (staged)")
	}
	if r.SuppressedBy != nil {
		why = append(why, "it is held back by finding "+shortID(*r.SuppressedBy))
	}
	if step := stepOf(r); !slices.Contains(s.Send, step) {
		why = append(why, fmt.Sprintf("this step of it is %q and the sink sends %s", step, strings.Join(s.Send, ", ")))
	}
	if !s.matches(r) {
		why = append(why, "it does not pass the sink's match")
	}
	return why
}

func (c condition) holds(r *export.FindingRow) bool {
	for i := range c {
		if c[i].holds(r) == c[i].not {
			return false
		}
	}
	return true
}

func (t *test) holds(r *export.FindingRow) bool {
	texts := t.texts(r)
	if len(texts) == 0 {
		return t.null
	}
	for _, p := range t.patterns {
		if slices.ContainsFunc(texts, func(text string) bool { return like(p, text) }) {
			return true
		}
	}
	return false
}

// like compares without case; * is any text, ? one character, and \ before one
// of them makes it plain, as in Sigma. Only the last * is ever gone back to, so
// the time is that of the two lengths at most.
func like(pattern, text string) bool {
	star, again, at := -1, 0, 0
	for i := 0; ; {
		if i < len(pattern) && pattern[i] == '*' {
			star, again = i+1, at
			i++
			continue
		}
		if n, m := unit(pattern[i:], text[at:]); n > 0 {
			i, at = i+n, at+m
			continue
		}
		if i == len(pattern) && at == len(text) {
			return true
		}
		if star < 0 || again >= len(text) {
			return false
		}
		_, m := utf8.DecodeRuneInString(text[again:])
		again += m
		i, at = star, again
	}
}

// unit compares the first character of both and returns their lengths in
// bytes, 0 if they differ.
func unit(pattern, text string) (n, m int) {
	if pattern == "" || text == "" {
		return 0, 0
	}
	t, m := utf8.DecodeRuneInString(text)
	p, n := utf8.DecodeRuneInString(pattern)
	if p == '?' {
		return n, m
	}
	if p == '\\' && len(pattern) > 1 && strings.ContainsRune(`*?\`, rune(pattern[1])) {
		p, n = rune(pattern[1]), 2
	}
	if unicode.ToLower(p) != unicode.ToLower(t) {
		return 0, 0
	}
	return n, m
}
