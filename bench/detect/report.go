package detect

import (
	"fmt"
	"io/fs"
)

// Report is what "cairn bench detect" prints.
type Report struct {
	Synthetic []*SyntheticReport `json:"synthetic"`
	Mean      SyntheticMean      `json:"synthetic_mean"`
	Varied    []VariedReport     `json:"varied,omitempty"` // only when asked for
	NAB       *NABReport         `json:"nab,omitempty"`    // only with a folder of labelled series
	Fit       *FitReport         `json:"fit,omitempty"`    // only when asked for
	Cost      Cost               `json:"cost"`
	Windows   []WindowCost       `json:"windows,omitempty"` // only when asked for
	Rules     []RuleCost         `json:"rules,omitempty"`
}

// SyntheticMean is the mean over the seeds.
type SyntheticMean struct {
	Recall2   float64            `json:"recall_1e2"`
	Recall3   float64            `json:"recall_1e3"`
	NewKeys2  float64            `json:"new_key_ratio_1e2"`
	NewKeys3  float64            `json:"new_key_ratio_1e3"`
	ByAttack2 map[string]float64 `json:"recall_1e2_by_attack"`
	ByAttack3 map[string]float64 `json:"recall_1e3_by_attack"`
	Fixed     []FixedScore       `json:"fixed"`
}

// VariedReport is the mean over the seeds if principals had other habits than
// those that the constants were chosen for.
type VariedReport struct {
	Habits string `json:"habits"`
	SyntheticMean
}

// variations are habits under which detection should not fall apart.
var variations = []struct {
	name string
	habits
}{
	{"people work at night ten times as often", habits{10 * usual.night, usual.session, usual.drift}},
	{"people work at night a hundred times as often", habits{100 * usual.night, usual.session, usual.drift}},
	{"sessions of 20 minutes", habits{usual.night, 3, usual.drift}},
	{"sessions of an hour and three quarters", habits{usual.night, 20, usual.drift}},
	{"busy services drift more than twice as much", habits{usual.night, usual.session, 0.2}},
}

// Options of Run.
type Options struct {
	NAB      fs.FS // folder of labelled series; nil: none
	Fit      int   // constants of the gauge model to fit to them; 0: none
	Seeds    []uint64
	Keys     int               // generated principals per seed
	Vary     bool              // also with principals of other habits
	Windows  bool              // also measure windows and rules; takes a gigabyte and a half
	Progress func(what string) // nil: nobody asks
}

// Run measures how well the learned thresholds detect, and what detection
// costs.
func Run(opts Options) (*Report, error) {
	say := func(format string, args ...any) {
		if opts.Progress != nil {
			opts.Progress(fmt.Sprintf(format, args...))
		}
	}
	r := &Report{}
	if err := r.generated(opts, say); err != nil {
		return nil, err
	}
	if err := r.labelled(opts, say); err != nil {
		return nil, fmt.Errorf("labelled series: %w", err)
	}
	return r, r.costs(opts, say)
}

func (r *Report) generated(opts Options, say func(string, ...any)) (err error) {
	r.Synthetic, err = seeds(opts, usual, say)
	r.Mean = meanOf(r.Synthetic)
	if err != nil || !opts.Vary {
		return err
	}
	for _, v := range variations {
		say("%s", v.name)
		list, err := seeds(opts, v.habits, say)
		if err != nil {
			return err
		}
		r.Varied = append(r.Varied, VariedReport{v.name, meanOf(list)})
	}
	return nil
}

func seeds(opts Options, h habits, say func(string, ...any)) (list []*SyntheticReport, err error) {
	for _, seed := range opts.Seeds {
		say("%d generated principals, seed %d", opts.Keys, seed)
		s, err := synthetic(seed, opts.Keys, h)
		if err != nil {
			return nil, fmt.Errorf("seed %d: %w", seed, err)
		}
		list = append(list, s)
	}
	return list, nil
}

func (r *Report) labelled(opts Options, say func(string, ...any)) (err error) {
	if opts.NAB == nil {
		return nil
	}
	say("labelled series")
	if r.NAB, err = NAB(opts.NAB); err != nil || opts.Fit == 0 {
		return err
	}
	say("a fit of %d constants to them", opts.Fit)
	r.Fit, err = Fit(opts.NAB, opts.Fit)
	return err
}

func (r *Report) costs(opts Options, say func(string, ...any)) (err error) {
	say("costs")
	if r.Cost, err = measureCost(); err != nil || !opts.Windows {
		return err
	}
	say("windows")
	if r.Windows, err = measureWindows(); err != nil {
		return err
	}
	for _, load := range loads {
		say("%d rules with %d open windows each", load.Rules, load.Each)
		if err := load.measure(); err != nil {
			return err
		}
		r.Rules = append(r.Rules, load)
	}
	return nil
}

// meanOf is the mean of the reports of some seeds.
func meanOf(list []*SyntheticReport) SyntheticMean {
	m := SyntheticMean{ByAttack2: map[string]float64{}, ByAttack3: map[string]float64{}}
	n := float64(len(list))
	for i, s := range list {
		m.Recall2 += s.Recall2 / n
		m.Recall3 += s.Recall3 / n
		m.NewKeys2 += s.NewKeyFalseAlarms.Ratio2 / n
		m.NewKeys3 += s.NewKeyFalseAlarms.Ratio3 / n
		for _, name := range attackNames {
			m.ByAttack2[name] += s.ByAttack2[name] / n
			m.ByAttack3[name] += s.ByAttack3[name] / n
		}
		for k, f := range s.Fixed {
			if i == 0 {
				m.Fixed = append(m.Fixed, FixedScore{Score: f.Score, Gated: f.Gated})
			}
			m.Fixed[k].Recall += f.Recall / n
			m.Fixed[k].False += f.False / n
		}
	}
	return m
}
