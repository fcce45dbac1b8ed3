package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cairnstream/cairn/export/alert"
	"github.com/cairnstream/cairn/processor/rule"
)

type alertCmd struct {
	List alertListCmd `cmd:"" help:"List the sinks that alerts go to."`
	Test alertTestCmd `cmd:"" help:"Send a test finding, or one of the lake, through a sink and show what it answers."`
}

// sinkFlags name the folders whose _sinks.yml are read.
type sinkFlags struct {
	Rules []string `help:"Folder of rules whose _sinks.yml names the sinks (repeatable); a later one replaces sinks of the same name." placeholder:"DIR" env:"CAIRN_RULES"`
}

// sinks reads them. Warnings go to standard error.
func (f sinkFlags) sinks(e *env) (*alert.Sinks, error) {
	if len(f.Rules) == 0 {
		return nil, usageError{errors.New("name the folder that holds _sinks.yml with --rules")}
	}
	dirs, err := folders(f.Rules)
	if err != nil {
		return nil, err
	}
	sinks, err := alert.Load(alert.Options{}, dirs...)
	if err != nil {
		return nil, e.eachLine(err, "the sinks have mistakes")
	}
	for _, w := range sinks.Warnings {
		_, _ = fmt.Fprintln(e.err, "warning:", w)
	}
	if len(sinks.All()) == 0 {
		return nil, fmt.Errorf("no sinks in %s: alerts go to the sinks of the file %s in a folder of rules", strings.Join(f.Rules, " "), alert.FileName)
	}
	return sinks, nil
}

type alertListCmd struct {
	sinkFlags
	output
}

// sinkLine is a sink in a list.
type sinkLine struct {
	Name        string   `json:"name"`
	Kind        string   `json:"kind"`
	Target      string   `json:"target"`
	MinSeverity string   `json:"min_severity"`
	Send        []string `json:"send"`
	Rate        string   `json:"rate"`
	Origin      string   `json:"origin"`
}

// Run lists the sinks without their keys.
func (c *alertListCmd) Run(e *env) error {
	sinks, err := c.sinks(e)
	if err != nil {
		return err
	}
	t := &table{head: []string{"NAME", "KIND", "TARGET", "FROM", "STEPS", "RATE", "ORIGIN"}}
	var lines []sinkLine
	for _, s := range sinks.All() {
		lines = append(lines, sinkLine{s.Name, s.Kind, s.Target(), s.MinSeverity, s.Send, s.Rate.String(), s.Origin})
		t.add(s.Name, s.Kind, s.Target(), s.MinSeverity, strings.Join(s.Send, " "), s.Rate.String(), s.Origin)
	}
	if c.json() {
		return printJSON(e.out, map[string]any{"sinks": lines})
	}
	t.print(e.out)
	return nil
}

type alertTestCmd struct {
	Sink string `arg:"" help:"Name of the sink."`
	sinkFlags
	place
	Finding  string `help:"Send this finding of the lake, by its id or the beginning of it, instead of one that nobody made." placeholder:"ID"`
	Severity string `help:"Severity of the finding that nobody made: low, medium, high or critical." default:"medium" placeholder:"LEVEL"`
	Print    bool   `help:"Print the message, without keys, instead of sending it."`
	Force    bool   `help:"Send a finding of the lake even if the sink does not ask for it."`
}

// Run sends one message. It tries once.
func (c *alertTestCmd) Run(e *env) error {
	known := []string{"low", "medium", "high", "critical"}
	if !slices.Contains(known, c.Severity) {
		return oneOf("--severity", c.Severity, known...)
	}
	sinks, err := c.sinks(e)
	if err != nil {
		return err
	}
	sink := sinks.Find(c.Sink)
	if sink == nil {
		var names []string
		for _, s := range sinks.All() {
			names = append(names, s.Name)
		}
		return usageError{fmt.Errorf("there is no sink %q; there are %s", c.Sink, strings.Join(names, ", "))}
	}
	trial, err := c.trial(e, sink)
	if err != nil {
		return err
	}
	if len(trial.Refusals) > 0 {
		_, _ = fmt.Fprintf(e.err, "%s: finding %s would not be sent: %s\n", sink.Name, c.Finding, strings.Join(trial.Refusals, "; "))
	}
	switch {
	case c.Print:
		_, err = fmt.Fprintln(e.out, trial.Payload())
		return err
	case len(trial.Refusals) > 0 && !c.Force:
		_, err = fmt.Fprintln(e.out, "nothing was sent: --force sends it all the same, --print shows the message")
		return err
	}
	said, err := trial.Send(e.ctx)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(e.out, "%s (%s, %s) took it: %s\n", sink.Name, sink.Kind, sink.Target(), said)
	return err
}

// trial is what is sent.
func (c *alertTestCmd) trial(e *env, sink *alert.Sink) (*alert.Trial, error) {
	now := time.Now().UTC().Truncate(time.Millisecond)
	if c.Finding == "" {
		return alert.Example(sink, c.Severity, now)
	}
	at, lake, err := c.findingsLake(e.ctx)
	if err != nil {
		return nil, err
	}
	lives, err := readLives(e.ctx, lake)
	if err != nil {
		return nil, err
	}
	d := &dossier{}
	if d.life, err = findLife(lives, c.Finding); err != nil {
		return nil, err
	}
	if err := d.readEvents(e.ctx, lake, nil); err != nil {
		return nil, err
	}
	set, err := (ruleFlags{Rules: c.Rules}).load(e)
	if err != nil {
		return nil, err
	}
	facts := ruleFacts{of: func() *rule.Set { return set }}
	return alert.Again(sink, d.telling(), d.about(), alert.Knowledge{Rule: facts.look, Flags: at.flags(c.place)}, now)
}

// about is what a worker knows of the event that brought a finding about.
func (d *dossier) about() (a alert.About) {
	for _, e := range d.events {
		if e.EventID == d.telling().TriggerEventID {
			a = alert.About{Event: value(e.EventName), Service: value(e.EventSource), Error: value(e.ErrorCode), Address: value(e.SourceIPAddress), UserAgent: value(e.UserAgent)}
		}
	}
	return a
}
