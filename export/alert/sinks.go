package alert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"text/template"

	"github.com/cairnstream/cairn/export/yamlat"
)

// FileName is the file in a folder of rules that names the sinks.
const FileName = "_sinks.yml"

// Sink is a place where alerts go.
type Sink struct {
	Name string
	Kind string // slack, sns, webhook, pagerduty, eventbridge, securityhub or file
	// MinSeverity is the lowest level that is sent.
	MinSeverity string
	Send        []string // the steps of a finding that are sent
	Rate        Rate     // above it alerts are joined into one; zero: as fast as they come
	Origin      string   // "file:line"

	match    []condition // one must hold; none: all findings
	settings map[string]setting
	headers  map[string]setting // of a webhook
	secrets  []string           // all that must not be shown, longest first
	text     *template.Template // instead of the sentence of the message; nil: none
	body     *template.Template // of a webhook, instead of its JSON; nil: none
}

// setting is a value of a sink. It may be a secret, so nothing prints it.
type setting struct {
	value  string
	secret bool
}

// String hides what may be a secret, from logs above all.
func (s setting) String() string {
	if s.secret {
		return "(secret)"
	}
	return s.value
}

// Sinks are the sinks of a process, in the order of their files.
type Sinks struct {
	list []*Sink
	// Warnings are "file:line:column: …": what should be written otherwise and
	// does not keep a sink from working.
	Warnings []string
}

// All returns the sinks, in the order of their files.
func (s *Sinks) All() []*Sink { return s.list }

// Find returns the sink of a name, nil if there is none.
func (s *Sinks) Find(name string) *Sink {
	for _, sink := range s.list {
		if sink.Name == name {
			return sink
		}
	}
	return nil
}

// Options say where values of the sinks file are looked up.
type Options struct {
	Environment func(name string) (string, bool)  // nil: that of the process
	ReadFile    func(name string) ([]byte, error) // of a value "file:NAME"; nil: the file system
	// Elsewhere tells that the sinks are only checked, and work at another place:
	// variables and files that are not here are no mistakes.
	Elsewhere bool
}

// Load reads the file FileName of each folder that has one. A sink takes the
// place of one with the same name from an earlier folder. The error joins all
// mistakes, each "file:line:column: …".
func Load(opts Options, folders ...fs.FS) (*Sinks, error) {
	if opts.Environment == nil {
		opts.Environment = os.LookupEnv
	}
	if opts.ReadFile == nil {
		opts.ReadFile = os.ReadFile
	}
	all := &Sinks{}
	var problems []error
	for _, folder := range folders {
		data, err := fs.ReadFile(folder, FileName)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read the sinks of %s: %w", yamlat.Shown(folder, FileName), err)
		}
		r := &reader{opts: opts, file: yamlat.Shown(folder, FileName)}
		list := r.read(data)
		problems, all.Warnings = append(problems, r.problems...), append(all.Warnings, r.warnings...)
		all.merge(list)
	}
	if len(problems) > 0 {
		return nil, errors.Join(problems...)
	}
	return all, nil
}

func (s *Sinks) merge(list []*Sink) {
	for _, sink := range list {
		if i := slices.IndexFunc(s.list, func(o *Sink) bool { return o.Name == sink.Name }); i >= 0 {
			s.list[i] = sink
			continue
		}
		s.list = append(s.list, sink)
	}
}

// Target says where a sink leads, for people. It holds no secret.
func (s *Sink) Target() string {
	main := kinds[s.Kind].settings[0]
	set := s.settings[main.name]
	switch {
	case main.name == "url":
		return host(set.value)
	case set.secret:
		return "-"
	}
	return set.value
}

// host is the part of a URL that is no secret.
func host(url string) string {
	scheme, rest, _ := strings.Cut(url, "://")
	rest, _, _ = strings.Cut(rest, "/")
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest[strings.LastIndexByte(rest, '@')+1:]
}

// get is the value of a setting, "" if it is not set.
func (s *Sink) get(name string) string { return s.settings[name].value }

// hide takes the secrets of a sink out of a text, such as an error or an answer.
func (s *Sink) hide(text string) string {
	for _, secret := range s.secrets {
		text = strings.ReplaceAll(text, secret, "(secret)")
	}
	return text
}

// conceal notes what hide has to hide. What is shorter than a key would take
// words out of texts.
func (s *Sink) conceal(values ...string) {
	for _, v := range values {
		if len(v) > 3 {
			s.secrets = append(s.secrets, v)
		}
	}
	slices.SortFunc(s.secrets, func(a, b string) int { return len(b) - len(a) })
}

// steps that a finding can take.
var steps = []string{"start", "update", "end"}

// levels, from a mere fact to an emergency. A mere fact is never sent.
var levels = []string{"informational", "low", "medium", "high", "critical"}
