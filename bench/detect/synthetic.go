package detect

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/cairnstream/cairn/processor/baseline"
)

// SyntheticReport is how many attacks on generated principals are found at
// budgets of 10⁻² and 10⁻³ false alarms per principal and day. The unit of an
// alarm is an hour of a principal.
type SyntheticReport struct {
	Seed              uint64             `json:"seed"`
	Keys              int                `json:"keys"`
	Attacks           int                `json:"attacks"`
	Recall2           float64            `json:"recall_1e2"`
	Recall3           float64            `json:"recall_1e3"`
	Threshold2        float64            `json:"threshold_1e2"`
	Threshold3        float64            `json:"threshold_1e3"`
	ByAttack2         map[string]float64 `json:"recall_1e2_by_attack"`
	ByAttack3         map[string]float64 `json:"recall_1e3_by_attack"`
	NewKeyFalseAlarms NewKeys            `json:"new_key_false_alarms"`
	Fixed             []FixedScore       `json:"fixed"`
}

// NewKeys are the false alarms of principals in their first three days.
type NewKeys struct {
	KeyDays float64 `json:"key_days"`
	Alarms2 int     `json:"alarms_1e2"`
	Alarms3 int     `json:"alarms_1e3"`
	Ratio2  float64 `json:"ratio_1e2"` // to the budget
	Ratio3  float64 `json:"ratio_1e3"`
}

// FixedScore is what a threshold that was fixed beforehand gives.
type FixedScore struct {
	Score  float64 `json:"score"`
	Gated  bool    `json:"gated"` // with the gates that a rule has by default
	Recall float64 `json:"recall"`
	False  float64 `json:"false_alarms_per_key_day"`
}

// accountKeys is how many principals share an account, and so a population.
const accountKeys = 30

const newDays = 3

// alarm is the greatest score of a principal's hour, or of an attack.
type alarm struct {
	score, gated float64
	attacked     bool
	attack       attack
	young        bool
}

// Synthetic generates keys principals from a seed and judges them by the
// count model with its defaults.
func Synthetic(seed uint64, keys int) (*SyntheticReport, error) { return synthetic(seed, keys, usual) }

func synthetic(seed uint64, keys int, h habits) (*SyntheticReport, error) {
	var alarms []alarm
	report := &SyntheticReport{Seed: seed, Keys: keys}
	days := 0.0
	for first := 0; first < keys; first += accountKeys {
		rng := rand.New(rand.NewPCG(seed, uint64(first)))
		account := make([]*synthKey, min(accountKeys, keys-first))
		for i := range account {
			account[i] = newKey(rng, h)
			days += float64(synthWindows-max(account[i].born, synthTest*dayWindows)) / dayWindows
			report.NewKeyFalseAlarms.KeyDays += youngDays(account[i])
		}
		found, err := judge(account)
		if err != nil {
			return nil, err
		}
		alarms = append(alarms, found...)
	}
	report.sum(alarms, days)
	return report, nil
}

// youngDays is how much of a principal's first days is judged.
func youngDays(k *synthKey) float64 {
	if k.born == 0 {
		return 0
	}
	from, to := max(k.born, synthTest*dayWindows), min(k.born+newDays*dayWindows, synthWindows)
	return float64(max(0, to-from)) / dayWindows
}

// judge runs an account through the model in the order of time and returns its
// hours with a score, and its attacks.
func judge(account []*synthKey) (alarms []alarm, err error) {
	m, err := baseline.NewModel(baseline.Spec{By: []string{"actor.root"}})
	if err != nil {
		return nil, err
	}
	pop := m.NewPopulation()
	states := make([]baseline.State, len(account))
	hours := make([]alarm, len(account))
	hits := make([]alarm, len(account))
	for t := range synthWindows {
		for i, k := range account {
			if t%hourWindows == 0 {
				if hours[i].score > 0 {
					alarms = append(alarms, hours[i])
				}
				hours[i] = alarm{}
			}
			if k.counts[t] == 0 {
				continue
			}
			s := &states[i]
			p := m.Touch(s, uint32(synthFirst+t), k.counts[t])
			score := m.Score(s, &pop, p)
			k.note(t, &hours[i], &hits[i], score.Best(), max3(m.Gated(s, p, &score)))
			baseline.LearnPopulation(&pop, p)
			m.Learn(s, p, &score)
		}
	}
	for i, k := range account {
		if k.from < k.to {
			hits[i].attacked, hits[i].attack = true, k.attack
			alarms = append(alarms, hits[i])
		}
	}
	return alarms, nil
}

func max3(a, b, c float64) float64 { return max(a, b, c) }

// note keeps a score where it belongs: to the attack, to the hour, or, in the
// two hours after an attack and before the judgement begins, nowhere.
func (k *synthKey) note(t int, hour, hit *alarm, score, gated float64) {
	to := hour
	switch attacked := k.from < k.to; {
	case t < synthTest*dayWindows:
		return
	case attacked && t >= k.from && t < k.to:
		to = hit
	case attacked && t >= k.from-k.from%hourWindows && t < k.to+2*hourWindows:
		return
	}
	to.score, to.gated = max(to.score, score), max(to.gated, gated)
	to.young = k.born > 0 && t < k.born+newDays*dayWindows
}

// sum finds the thresholds of the budgets and what they find.
func (r *SyntheticReport) sum(alarms []alarm, days float64) {
	var quiet, hits []alarm
	for _, a := range alarms {
		if a.attacked {
			hits = append(hits, a)
		} else {
			quiet = append(quiet, a)
		}
	}
	slices.SortFunc(quiet, func(a, b alarm) int { return cmp.Compare(b.score, a.score) })
	r.Attacks = len(hits)
	threshold := func(budget float64) float64 {
		return quiet[min(int(budget*days), len(quiet)-1)].score
	}
	r.Threshold2, r.Threshold3 = threshold(1e-2), threshold(1e-3)
	r.Recall2, r.ByAttack2 = recall(hits, r.Threshold2)
	r.Recall3, r.ByAttack3 = recall(hits, r.Threshold3)
	n := &r.NewKeyFalseAlarms
	for _, a := range quiet {
		if a.young && a.score > r.Threshold2 {
			n.Alarms2++
		}
		if a.young && a.score > r.Threshold3 {
			n.Alarms3++
		}
	}
	n.Ratio2, n.Ratio3 = float64(n.Alarms2)/n.KeyDays/1e-2, float64(n.Alarms3)/n.KeyDays/1e-3
	for _, gated := range []bool{false, true} {
		for _, score := range []float64{4, 5, 6} {
			r.Fixed = append(r.Fixed, fixed(quiet, hits, score, gated, days))
		}
	}
}

// recall is the share of attacks above a threshold, in percent, and the same
// for each sort of attack.
func recall(hits []alarm, threshold float64) (all float64, by map[string]float64) {
	var found, total [attacks]float64
	for _, a := range hits {
		total[a.attack]++
		if a.score > threshold {
			found[a.attack]++
			all++
		}
	}
	by = map[string]float64{}
	for a, name := range attackNames {
		by[name] = 100 * found[a] / max(1, total[a])
	}
	return 100 * all / float64(max(1, len(hits))), by
}

func fixed(quiet, hits []alarm, score float64, gated bool, days float64) FixedScore {
	count := func(list []alarm) (n float64) {
		for _, a := range list {
			if s := a.score; !gated && s >= score || gated && a.gated >= score {
				n++
			}
		}
		return n
	}
	return FixedScore{score, gated, 100 * count(hits) / float64(max(1, len(hits))), count(quiet) / days}
}
