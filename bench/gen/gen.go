// Package gen makes CloudTrail traffic: a seeded simulation of an organisation's accounts, of the people and programs that work in
// them, of the resources that come and go, and of attackers. It writes log files as CloudTrail delivers them to S3. Equal options
// give equal bytes on every machine: the package reads no clock, uses integers only, and draws every choice from a seeded source.
//
// Nothing here was copied from real traffic. Names are invented, addresses come from the ranges for documentation and
// benchmarking (RFC 5737, RFC 2544), and account and resource ids are random.
package gen

import (
	"cmp"
	"fmt"
	"iter"
	"math/rand/v2"
	"time"
)

// Options describe a corpus. The zero value of a field takes the default in its comment.
type Options struct {
	Seed     uint64
	Accounts int           // number of accounts: 5
	Start    time.Time     // first instant of simulated time, cut to the second: 2026-03-03T00:00:00Z, a Tuesday
	Duration time.Duration // simulated time: 24h
	// Until leaves out the files that are delivered later, as somebody sees a bucket at that time: zero leaves out none.
	Until time.Time

	// EventsPerDay is the number of events of one account on an average weekday: 2,000. Weekends have fewer. The sum over the
	// accounts is met to about one percent, because an activity that has begun is finished.
	EventsPerDay int

	// Attacks is the number of accounts that are attacked once, in one of the ways that the function Attacks names: 0.
	Attacks int

	// DuplicatesPerMillion is how many of a million records are delivered a second time, in a later file: 0. CloudTrail
	// delivers at least once.
	DuplicatesPerMillion int

	// Clump gathers the work of programs into bursts at multiples of this duration, as scheduled jobs do: 1m. A larger value
	// makes fewer and fuller files.
	Clump time.Duration

	ids   []string // account ids of the bundled sample
	story bool     // the intrusion of the bundled sample, in account 1
}

func (o Options) withDefaults() Options {
	o.Accounts = cmp.Or(o.Accounts, 5)
	o.Duration = cmp.Or(o.Duration, 24*time.Hour)
	o.EventsPerDay = cmp.Or(o.EventsPerDay, 2000)
	o.Clump = cmp.Or(o.Clump, time.Minute)
	if o.Start.IsZero() {
		o.Start = time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	}
	o.Start = o.Start.UTC().Truncate(time.Second)
	return o
}

func (o Options) check() error {
	switch {
	case o.Accounts < 0 || o.Accounts > 100_000:
		return fmt.Errorf("gen: %d accounts: want 1 to 100,000", o.Accounts)
	case o.Duration < 0:
		return fmt.Errorf("gen: duration %s is negative", o.Duration)
	case o.EventsPerDay < 0 || o.EventsPerDay > 50_000_000:
		return fmt.Errorf("gen: %d events a day: want 1 to 50,000,000", o.EventsPerDay)
	case o.Attacks < 0 || o.Attacks > o.Accounts:
		return fmt.Errorf("gen: %d attacks in %d accounts: want at most one in each", o.Attacks, o.Accounts)
	case o.DuplicatesPerMillion < 0 || o.DuplicatesPerMillion > 1_000_000:
		return fmt.Errorf("gen: %d duplicates in a million", o.DuplicatesPerMillion)
	case o.Clump < 0 || o.Clump%time.Minute != 0:
		return fmt.Errorf("gen: clump %s: want whole minutes", o.Clump)
	}
	return nil
}

// Generator makes the corpus of its options, as often as it is asked to. It may be used by several goroutines.
type Generator struct {
	opts     Options
	accounts []account
}

// account is a member of the simulated organisation.
type account struct {
	id, name, kind string
	index          int
}

// New returns the generator of a corpus.
func New(o Options) (*Generator, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.withDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	g := &Generator{opts: o}
	r := source(o.Seed, 0)
	for i := range o.Accounts {
		kind := kinds[i%len(kinds)]
		a := account{id: accountID(r), kind: kind, name: kind, index: i}
		if i >= len(kinds) {
			a.name = fmt.Sprintf("%s-%d", kind, i/len(kinds)+1)
		}
		if i < len(o.ids) {
			a.id = o.ids[i]
		}
		g.accounts = append(g.accounts, a)
	}
	return g, nil
}

// source returns a random source for one purpose. Each account has its own, so accounts do not depend on one another's length.
func source(seed, purpose uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, purpose)) }

// Label says that a record belongs to an attack. Records without a label are ordinary work.
type Label struct {
	Attack    string // name of the attack, one that the function Attacks names, or "story"
	Step      string // what the attacker did with this call, in words
	Technique string // MITRE ATT&CK id, such as T1562.008
}

// Record is one delivered CloudTrail record.
type Record struct {
	ID        string // eventID; a record that is delivered twice has the same twice
	Account   string // recipient
	Region    string
	Name      string    // eventName
	Time      time.Time // eventTime, whole seconds
	Delivered time.Time // when its file was written, whole minutes
	JSON      []byte
	Label     *Label // nil for ordinary work
}

// Events yields every delivered record in the order of delivery: by file, and within a file as the file has them.
func (g *Generator) Events() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		for file := range g.Files() {
			for _, r := range file.Records {
				if !yield(r) {
					return
				}
			}
		}
	}
}
