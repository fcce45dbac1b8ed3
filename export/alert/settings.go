package alert

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"text/template"

	"github.com/cairnstream/cairn/export/yamlat"
)

// kind is what can be set for sinks of a kind.
type kind struct {
	settings []known // the first is the one that stands for all when it is written alone
	limit    Rate    // unless the file says otherwise
	joins    bool    // alerts can be joined into a digest
}

// known is a setting of a kind.
type known struct {
	name     string
	required bool
	secret   bool
	check    func(value string) string // what is wrong with it, "" nothing
	fallback string
}

// kinds of sinks. Slack takes about one message per second from an incoming
// webhook; sixty a minute are more than anybody reads.
var kinds = map[string]kind{
	"slack": {settings: []known{{name: "url", required: true, secret: true, check: checkURL}}, limit: Rate{60, minute}, joins: true},
	"sns":   {settings: []known{{name: "topic", required: true, check: checkTopic}}, joins: true},
	"webhook": {settings: []known{{name: "url", required: true, secret: true, check: checkURL}, {name: "secret", secret: true}, {name: "headers"}, {name: "body"},
		{name: "content_type", fallback: "application/json"}}, joins: true},
	"pagerduty": {settings: []known{{name: "routing_key", required: true, secret: true}, {name: "url", check: checkURL, fallback: "https://events.pagerduty.com/v2/enqueue"},
		{name: "resolve", check: oneOf("true", "false"), fallback: "false"}}, joins: true},
	"eventbridge": {settings: []known{{name: "bus", fallback: "default"}, {name: "region"}}, joins: true},
	"securityhub": {settings: []known{{name: "account", required: true, check: checkAccount}, {name: "region", required: true}, {name: "product_arn"}}},
	"file":        {settings: []known{{name: "path", required: true}}},
}

func checkURL(value string) string {
	u, err := url.Parse(value)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return "is no address such as https://host/path" // and does not show what may be a secret
	}
	return ""
}

func checkTopic(value string) string {
	if parts := strings.Split(value, ":"); len(parts) != 6 || parts[0] != "arn" || parts[2] != "sns" || parts[3] == "" {
		return "is no ARN of a topic, arn:aws:sns:REGION:ACCOUNT:NAME"
	}
	return ""
}

func checkAccount(value string) string {
	if !regexp.MustCompile(`^\d{12}$`).MatchString(value) {
		return "is no account id of 12 digits; quote it, or a leading zero is lost"
	}
	return ""
}

func oneOf(words ...string) func(string) string {
	return func(value string) string {
		if slices.Contains(words, value) {
			return ""
		}
		return "is one of " + strings.Join(words, ", ")
	}
}

// reader reads one sinks file.
type reader struct {
	opts     Options
	file     string
	problems []error
	warnings []string
	looked   []string // values that the last resolve looked up
}

func (r *reader) fail(n *node, format string, args ...any) {
	r.problems = append(r.problems, n.Problem(r.file, format, args...))
}

func (r *reader) warn(n *node, format string, args ...any) {
	r.warnings = append(r.warnings, n.Problem(r.file, format, args...).Error())
}

func (r *reader) read(data []byte) (list []*Sink) {
	root, err := parse(r.file, data)
	if err != nil {
		r.problems = append(r.problems, err)
		return nil
	}
	if root == nil || root.Kind == yamlat.Null {
		return nil
	}
	if root.Kind != yamlat.List {
		r.fail(root, "the sinks file is a list: begin each sink with \"- name: …\"")
		return nil
	}
	for _, n := range root.Items {
		s := r.sink(n)
		if s == nil {
			continue
		}
		if slices.ContainsFunc(list, func(o *Sink) bool { return o.Name == s.Name }) {
			r.fail(n, "two sinks are called %q", s.Name)
		}
		list = append(list, s)
	}
	return list
}

// keysOf are the parts of an address that may be keys by themselves: a receiver
// that refuses a message may repeat them.
func keysOf(address string) (keys []string) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return nil
	}
	for _, part := range strings.Split(u.Path, "/") {
		if len(part) > 8 { // shorter ones are words such as services
			keys = append(keys, part, url.PathEscape(part))
		}
	}
	for _, values := range u.Query() {
		keys = append(keys, values...)
	}
	if password, set := u.User.Password(); set {
		keys = append(keys, password)
	}
	return keys
}

// common are the keys that all kinds have.
var common = []string{"name", "min_severity", "send", "match", "rate", "text"}

// sink reads one entry of the list; nil when it has no name or kind.
func (r *reader) sink(n *node) *Sink {
	if n.Kind != yamlat.Map {
		r.fail(n, "a sink is a map with a name and a kind, such as {name: team, slack: '${SLACK_URL}'}")
		return nil
	}
	s := &Sink{MinSeverity: "medium", Send: []string{"start", "update"}, Origin: fmt.Sprintf("%s:%d", r.file, n.Line), settings: map[string]setting{}}
	found := 0
	for i, k := range n.Keys {
		v := n.Items[i]
		if _, ok := kinds[k.Text]; ok {
			if found++; found > 1 {
				r.fail(k, "a sink has one kind: %s and %s are two", s.Kind, k.Text)
				continue
			}
			s.Kind = k.Text
			s.Rate = kinds[k.Text].limit
			r.settings(s, k, v)
		} else if !slices.Contains(common, k.Text) {
			r.fail(k, "unknown key %q in a sink; known are %s and the kinds %s", k.Text, strings.Join(common, ", "), strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		}
	}
	for i, k := range n.Keys { // after the kind, which decides what they may be
		r.common(s, k, n.Items[i])
	}
	switch {
	case s.Name == "":
		r.fail(n, "a sink needs a name")
		return nil
	case s.Kind == "":
		r.fail(n, "the sink %q needs a kind: one of %s", s.Name, strings.Join(slices.Sorted(maps.Keys(kinds)), ", "))
		return nil
	}
	if s.get("resolve") == "true" && !slices.Contains(s.Send, "end") {
		s.Send = append(s.Send, "end")
	}
	return s
}

// common reads a key that all kinds have.
func (r *reader) common(s *Sink, k, v *node) {
	switch k.Text {
	case "name":
		if !v.Scalar() || v.Text == "" {
			r.fail(v, "the name of a sink is text")
			return
		}
		s.Name = v.Text
	case "min_severity":
		if s.MinSeverity = v.Text; !slices.Contains(levels[1:], v.Text) {
			r.fail(v, "min_severity is one of %s; what is informational is never sent", strings.Join(levels[1:], ", "))
		}
	case "send":
		s.Send = nil
		for _, item := range v.List() {
			if !slices.Contains(steps, item.Text) {
				r.fail(item, "send is a list of %s, not %q", strings.Join(steps, ", "), item.Text)
			}
			s.Send = append(s.Send, item.Text)
		}
	case "match":
		s.match = r.conditions(v)
	case "rate":
		r.rate(s, v)
	case "text":
		s.text = r.template(v)
	}
}

func (r *reader) rate(s *Sink, v *node) {
	rate, ok := parseRate(v.Text)
	switch {
	case !ok || !v.Scalar():
		r.fail(v, "rate is a number of alerts per s, m or h, such as 60/m")
	case s.Kind != "" && !kinds[s.Kind].joins:
		r.fail(v, "%s takes no rate: its alerts cannot be joined into a digest", s.Kind)
	default:
		s.Rate = rate
	}
}

// settings reads what belongs to the kind: a map, or the most important value
// alone.
func (r *reader) settings(s *Sink, k, v *node) {
	spec := kinds[s.Kind].settings
	switch v.Kind {
	case yamlat.Text, yamlat.Number, yamlat.Bool:
		r.setting(s, spec[0], v)
	case yamlat.Map:
		for i, name := range v.Keys {
			at := slices.IndexFunc(spec, func(o known) bool { return o.name == name.Text })
			if at < 0 {
				r.fail(name, "unknown key %q in %s; known are %s", name.Text, s.Kind, names(spec))
				continue
			}
			r.setting(s, spec[at], v.Items[i])
		}
	case yamlat.Null:
	default:
		r.fail(v, "%s is a map of %s, or its %s alone", s.Kind, names(spec), spec[0].name)
		return
	}
	for _, o := range spec {
		if _, ok := s.settings[o.name]; ok {
			continue
		}
		if o.required {
			r.fail(k, "%s needs %s", s.Kind, o.name)
		}
		if o.fallback != "" {
			s.settings[o.name] = setting{value: o.fallback}
		}
	}
}

func names(spec []known) string {
	var out []string
	for _, o := range spec {
		out = append(out, o.name)
	}
	return strings.Join(out, ", ")
}

// setting reads one value.
func (r *reader) setting(s *Sink, o known, v *node) {
	s.settings[o.name] = setting{} // mentioned, even if wrong
	switch {
	case o.name == "headers":
		r.headers(s, v)
		return
	case !v.Scalar():
		r.fail(v, "%s of %s is text", o.name, s.Kind)
		return
	case o.name == "body":
		s.body = r.template(v)
		return
	}
	value, literal, ok := r.resolve(v)
	if !ok {
		return
	}
	if o.secret {
		s.conceal(append(append(r.looked, value), keysOf(value)...)...)
	}
	if o.check != nil {
		if wrong := o.check(value); wrong != "" {
			r.fail(v, "%s of %s %s", o.name, s.Kind, wrong)
			return
		}
	}
	if literal && o.secret && !(s.Kind == "webhook" && o.name == "url" && plainURL(value)) {
		r.warn(v, "%s of %s is a key that stands in the file: write ${NAME} for a variable of the environment, or file:PATH", o.name, s.Kind)
	}
	s.settings[o.name] = setting{value, o.secret}
}

// plainURL tells that an address has no part that is likely to be a key.
func plainURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.User == nil && u.RawQuery == ""
}

var secretHeader = regexp.MustCompile(`(?i)auth|token|key|secret|cookie`)

func (r *reader) headers(s *Sink, v *node) {
	if v.Kind != yamlat.Map {
		r.fail(v, "headers is a map from names to values")
		return
	}
	s.headers = map[string]setting{}
	for i, k := range v.Keys {
		if !v.Items[i].Scalar() {
			r.fail(v.Items[i], "the header %s is text", k.Text)
			continue
		}
		value, literal, ok := r.resolve(v.Items[i])
		if !ok {
			continue
		}
		secret := secretHeader.MatchString(k.Text)
		if literal && secret {
			r.warn(v.Items[i], "the header %s is a key that stands in the file: write ${NAME} for a variable of the environment, or file:PATH", k.Text)
		}
		if secret = secret || !literal; secret {
			s.conceal(append(r.looked, value)...)
		}
		s.headers[k.Text] = setting{value, secret}
	}
}

var variable = regexp.MustCompile(`\$\{([A-Za-z_][A-Za-z0-9_]*)\}`)

// resolve puts in what ${NAME} and file:PATH stand for. literal tells that the
// value stands in the file as it is.
func (r *reader) resolve(v *node) (value string, literal, ok bool) {
	literal, ok, r.looked = true, true, nil
	value = variable.ReplaceAllStringFunc(v.Text, func(ref string) string {
		name := variable.FindStringSubmatch(ref)[1]
		text, set := r.opts.Environment(name)
		if !set || text == "" {
			r.missing(v, "the variable %s of the environment is not set", name)
			ok = false
		}
		literal = false
		r.looked = append(r.looked, text)
		return text
	})
	if path, isFile := strings.CutPrefix(value, "file:"); isFile && ok {
		data, err := r.opts.ReadFile(path)
		if err != nil {
			r.missing(v, "the value cannot be read: %v", err)
			return "", false, false
		}
		value, literal = strings.TrimSpace(string(data)), false
	}
	if ok && value == "" {
		r.fail(v, "the value is empty")
		return "", literal, false
	}
	return value, literal, ok
}

// missing is a mistake where the sinks work.
func (r *reader) missing(v *node, format string, args ...any) {
	if !r.opts.Elsewhere {
		r.fail(v, format, args...)
	}
}

// template reads a template and tries it out, because a mistake that shows with
// the first finding comes too late.
func (r *reader) template(v *node) *template.Template {
	if !v.Scalar() {
		r.fail(v, "a template is text")
		return nil
	}
	t, err := template.New("template").Funcs(functions).Parse(v.Text)
	if err == nil {
		err = t.Execute(&strings.Builder{}, exampleMessage())
	}
	if err != nil {
		r.fail(v, "the template does not work: %s", strings.TrimPrefix(err.Error(), "template: "))
		return nil
	}
	return t
}
