package alert

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cairnstream/cairn/export"
)

// Trial is a message that is sent through a sink by hand. What the sink asks
// for, severity and match, does not hold it back.
type Trial struct {
	sink  *Sink
	alert Alert
	body  body
	// Refusals are the reasons why a worker would not send it; none if it would,
	// and for a finding that nobody made.
	Refusals []string
}

// Example is a trial about a finding that nobody made, of a severity.
func Example(s *Sink, severity string, now time.Time) (*Trial, error) {
	row := ExampleRow(now)
	row.Severity = severity
	return trial(s, ID(s.Name, &row), &row, exampleAbout, Knowledge{Rule: exampleRule})
}

// Again is a trial about a step of a finding. It says what an alert about that
// would say, under an id of its own, because receivers drop what they know.
func Again(s *Sink, row *export.FindingRow, about About, known Knowledge, now time.Time) (*Trial, error) {
	t, err := trial(s, hash("again", ID(s.Name, row), now.UTC().Format(time.RFC3339Nano)), row, about, known)
	if err != nil {
		return nil, err
	}
	t.Refusals = s.refusals(row)
	return t, nil
}

func trial(s *Sink, id string, row *export.FindingRow, about About, known Knowledge) (*Trial, error) {
	a, err := s.alertAs(id, row, about, known)
	if err != nil {
		return nil, errors.New(s.hide(err.Error()))
	}
	b, err := decodeBody(a.Body)
	return &Trial{sink: s, alert: a, body: b}, err
}

// Payload is what the sink gets, without keys and signatures: of a topic all
// forms of it.
func (t *Trial) Payload() string {
	if t.body.Letter != "" {
		return forms(&t.body)
	}
	return t.body.Payload
}

// Send sends the message at once and once, and returns what the sink answered.
// Neither answer nor error holds a secret.
func (t *Trial) Send(ctx context.Context) (string, error) {
	s := t.sink
	c, err := connect(ctx, s)
	if err != nil {
		return "", errors.New(s.hide(err.Error()))
	}
	got := c.carry(ctx, []*parcel{{t.alert.ID, t.alert.Finding, t.alert.Time, t.body, []*item{{alert: t.alert}}}})[0]
	text := s.hide(got.String())
	switch {
	case got.err == nil:
		return text, nil
	case got.lasting:
		return "", fmt.Errorf("%s refuses such a message: %s", s.Name, text)
	}
	return "", fmt.Errorf("%s did not take it: %s", s.Name, text)
}
