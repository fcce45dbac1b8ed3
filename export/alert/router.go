package alert

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/cairnstream/cairn/export"
)

// Router decides which sinks a finding goes to and renders what they are told.
// It is pure and may be used by several goroutines.
type Router struct {
	sinks *Sinks
	known Knowledge
	log   *slog.Logger
}

// NewRouter returns a router to sinks. log gets what could not be rendered as
// asked; nil: nobody.
func NewRouter(sinks *Sinks, known Knowledge, log *slog.Logger) *Router {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &Router{sinks, known, log}
}

// Alerts are what the sinks are to be told of a step of a finding, in the order
// of the sinks. The same row gives the same alerts, byte for byte.
func (r *Router) Alerts(row *export.FindingRow) []Alert { return r.AlertsAbout(row, About{}) }

// AlertsAbout is Alerts for a finding of whose event more is known than its row
// has.
func (r *Router) AlertsAbout(row *export.FindingRow, about About) (out []Alert) {
	for _, s := range r.sinks.list {
		if !s.wants(row) {
			continue
		}
		a, err := s.alert(row, about, r.known)
		if err != nil {
			r.log.Error("an alert was not rendered as its sink asks", "sink", s.Name, "finding", row.FindingID, "error", s.hide(err.Error()))
		}
		out = append(out, a)
	}
	return out
}

// alert renders a finding for a sink. With an error there is an alert too, in
// the form that needs no template.
func (s *Sink) alert(row *export.FindingRow, about About, known Knowledge) (Alert, error) {
	return s.alertAs(ID(s.Name, row), row, about, known)
}

func (s *Sink) alertAs(id string, row *export.FindingRow, about About, known Knowledge) (Alert, error) {
	m := compose(id, row, about, known)
	data, err := s.render(m, row)
	return Alert{ID: m.ID, Sink: s.Name, Finding: row.FindingID, Time: row.EventTS, Body: data}, err
}

// render makes the body of a message. row is nil for a digest.
func (s *Sink) render(m *Message, row *export.FindingRow) ([]byte, error) {
	if s.text != nil {
		text, err := execute(s.text, m)
		if err != nil {
			plain := *s
			plain.text = nil
			data, again := plain.render(m, row)
			return data, errors.Join(fmt.Errorf("the template of text: %w", err), again)
		}
		m.Text = clip(text, 3*maxText)
	}
	payload, problem := s.payload(m, row)
	b := body{Kind: s.Kind, Step: m.Step, Severity: m.Severity, Rule: m.Rule.ID, Title: m.Rule.Title, Account: m.Where.Account, Region: m.Where.Region,
		Tactic: m.Rule.Tactic, Status: m.Status, RuleKind: m.Rule.Kind, Payload: payload}
	if s.Kind == "sns" {
		b.Letter, b.Short = clip(m.letter(), 30*maxText), clip(m.heading()+": "+m.sentence(), 300)
	}
	data, err := b.encode()
	return data, errors.Join(problem, err)
}
