package alert

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Try sends a finding that nobody made through a sink, at once and once, and
// returns what the sink answered. What the sink asks for, severity and match,
// does not hold it back. Neither answer nor error holds a secret.
func Try(ctx context.Context, s *Sink, severity string, now time.Time) (string, error) {
	a, err := example(s, severity, now)
	if err != nil {
		return "", err
	}
	b, err := decodeBody(a.Body)
	if err != nil {
		return "", err
	}
	c, err := connect(ctx, s)
	if err != nil {
		return "", errors.New(s.hide(err.Error()))
	}
	got := c.carry(ctx, []*parcel{{a.ID, a.Finding, a.Time, b, []*item{{alert: a}}}})[0]
	text := s.hide(got.String())
	switch {
	case got.err == nil:
		return text, nil
	case got.lasting:
		return "", fmt.Errorf("%s refuses such a message: %s", s.Name, text)
	}
	return "", fmt.Errorf("%s did not take it: %s", s.Name, text)
}

// Preview is the payload of a finding that nobody made, as the sink would get
// it, without keys and signatures.
func Preview(s *Sink, severity string, now time.Time) (string, error) {
	a, err := example(s, severity, now)
	if err != nil {
		return "", err
	}
	b, err := decodeBody(a.Body)
	return b.Payload, err
}

func example(s *Sink, severity string, now time.Time) (Alert, error) {
	row := ExampleRow(now)
	row.Severity = severity
	a, err := s.alert(&row, exampleAbout, exampleRule)
	if err != nil {
		return a, errors.New(s.hide(err.Error()))
	}
	return a, nil
}
