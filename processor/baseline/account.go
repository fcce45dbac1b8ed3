package baseline

import (
	"encoding/binary"
	"math"
)

// account is what a rule knows of all keys of an account together. It splits
// and moves as the account does.
type account struct {
	place   place
	id      string // see place.append
	loaded  bool
	pop     PopulationTails
	budget  *budget // nil unless the threshold is one
	changed bool
}

func (r *ruleState) account(p place) *account {
	if a := r.accounts[p]; a != nil {
		return a
	}
	a := &account{place: p, id: string(p.append(nil))}
	r.accounts[p] = a
	return a
}

// budget keeps a number of findings per day: it knows the upper tail of the
// scores of closed windows, and how many of those there are in a day.
type budget struct {
	Scores Tail
	First  Window
	Day    uint32  // number of the day that is counted
	Count  uint32  // closed windows of that day so far
	Daily  float32 // of the days before
}

const budgetBytes = tailBytes + 16

// The scores between which a budget may move its threshold, and the rate at
// which the number of windows of a day is learned: a week of memory, by which
// a weekend is seen without being believed.
const (
	budgetLeast = 3.0
	budgetFirst = 6.0 // on the first day
	budgetFloor = 0.1 // least scale of the tail of scores
	budgetRate  = 0.15
)

// add takes in the score of a closed window.
func (b *budget) add(score float64, k Window, perDay float64) {
	day := uint32(float64(k) / perDay)
	switch {
	case b.Scores.N == 0:
		b.First, b.Day = k, day
	case day > b.Day:
		toward(&b.Daily, b.rate(), float64(b.Count))
		for range min(day-b.Day-1, 60) {
			toward(&b.Daily, budgetRate, 0)
		}
		b.Day, b.Count = day, 0
	}
	b.Count++
	b.Scores.add(score, &countShape)
}

// rate is 1 for the first day that is complete.
func (b *budget) rate() float64 {
	if b.Daily == 0 {
		return 1
	}
	return budgetRate
}

// threshold is the score that a share of perDay of a day's windows passes.
func (b *budget) threshold(findings float64, k Window, windows float64) float64 {
	if b.Scores.N == 0 || float64(k-b.First) < windows || b.Daily == 0 {
		return budgetFirst
	}
	t := &b.Scores
	q, e1, e2 := float64(t.Q), float64(t.E1), float64(t.E2)
	xi := min(max(0.5*(1-e1*e1/max(e2-e1*e1, 1e-30)), countShape.xiMin), countShape.xiMax)
	sigma := max(e1*(1-xi), budgetFloor+0.1*q)
	above := (1 - countShape.level) * float64(b.Daily) / findings
	return max(budgetLeast, q+sigma/xi*(math.Pow(above, xi)-1))
}

func (b *budget) append(to []byte) []byte {
	to = b.Scores.append(to)
	for _, v := range [...]uint32{b.First, b.Day, b.Count, math.Float32bits(b.Daily)} {
		to = binary.LittleEndian.AppendUint32(to, v)
	}
	return to
}

func decodeBudget(b []byte) (*budget, error) {
	if len(b) != budgetBytes {
		return nil, errDamaged
	}
	u := func(i int) uint32 { return binary.LittleEndian.Uint32(b[tailBytes+4*i:]) }
	return &budget{decodeTail(b), u(0), u(1), u(2), math.Float32frombits(u(3))}, nil
}

// limit is the threshold for an account's windows.
func (r *ruleState) limit(a *account, k Window) float64 {
	if r.threshold > 0 {
		return r.threshold
	}
	return a.budget.threshold(r.spec.Threshold.Value, k, r.model.day)
}

// populationBytes is the size of an encoded population.
const populationBytes = 2 * tailBytes

func (p *PopulationTails) append(b []byte) []byte { return p.Long.append(p.Short.append(b)) }

func decodePopulation(b []byte) (PopulationTails, error) {
	if len(b) != populationBytes {
		return PopulationTails{}, errDamaged
	}
	return PopulationTails{decodeTail(b), decodeTail(b[tailBytes:])}, nil
}
