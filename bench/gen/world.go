package gen

import (
	"math/rand/v2"
	"strings"
	"time"
)

// kinds are the accounts of a small organisation. Larger ones repeat them.
var kinds = []string{"management", "production", "staging", "data", "security"}

// volume is the share of the organisation's events that an account of a kind makes, and the part of it that people make, in percent.
var volume = map[string]struct{ share, people int }{
	"management": {8, 60},
	"production": {40, 20},
	"staging":    {22, 45},
	"data":       {20, 35},
	"security":   {10, 30},
}

// world is the simulation of one account.
type world struct {
	account account
	org     []account
	opts    Options
	rng     *rand.Rand
	region  string
	zone    time.Duration // of the office
	now     time.Time
	doing   *activity
	label   *Label
	queue   tasks
	seq     int
	out     *delivery

	people, programs *purse

	estate
	staff
}

func newWorld(g *Generator, a account) *world {
	purpose := uint64(a.index+1) * 2
	w := &world{account: a, org: g.accounts, opts: g.opts, rng: source(g.opts.Seed, purpose)}
	w.out = &delivery{account: a.id, rng: source(g.opts.Seed, purpose+1), duplicates: g.opts.DuplicatesPerMillion, open: map[slot][]queued{}}
	group := a.index / len(kinds)
	w.region = []string{"eu-west-1", "us-east-1", "ap-southeast-2"}[group%3]
	w.zone = []time.Duration{0, -5 * time.Hour, 10 * time.Hour}[group%3]
	w.buildEstate()
	w.hire()
	all := w.share()
	human := all * volume[a.kind].people / 100
	w.people = newPurse(human, &peopleByHour, choose(peopleWork(), a.kind))
	w.programs = newPurse(all-human, &programByHour, choose(programWork(), a.kind))
	w.scheduleAttack(g)
	return w
}

// share returns the account's events of a day. The shares of the accounts that exist are scaled to their number.
func (w *world) share() int {
	sum := 0
	for _, a := range w.org {
		sum += volume[a.kind].share
	}
	return w.opts.EventsPerDay * len(w.org) * volume[w.account.kind].share / sum
}

// choose returns the activities of an account of a kind.
func choose(all []*activity, kind string) []*activity {
	var out []*activity
	for _, a := range all {
		if a.kinds == "" || strings.Contains(a.kinds, kind) {
			out = append(out, a)
		}
	}
	return out
}

// other returns the account of a kind in the same group of five, or this one where the organisation has none.
func (w *world) other(kind string) account {
	first := w.account.index / len(kinds) * len(kinds)
	for _, a := range w.org[first:min(first+len(kinds), len(w.org))] {
		if a.kind == kind {
			return a
		}
	}
	return w.account
}

// arn returns an ARN of the account in its home region.
func (w *world) arn(service, rest string) string {
	return "arn:aws:" + service + ":" + w.region + ":" + w.account.id + ":" + rest
}

// iam returns an ARN of IAM, which knows no regions.
func (w *world) iam(rest string) string { return "arn:aws:iam::" + w.account.id + ":" + rest }

func (w *world) chance(percent int) bool { return w.rng.IntN(100) < percent }
