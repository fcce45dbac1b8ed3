package detect

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Print writes the report as tables for people, with the floors below which a
// change is not let in, and the goals.
func (r *Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	line := func(cells ...string) { _, _ = fmt.Fprintln(t, strings.Join(cells, "\t")) }
	if len(r.Synthetic) > 0 {
		r.printSynthetic(line)
	}
	if r.NAB != nil {
		r.NAB.print(line)
	}
	if r.Fit != nil {
		r.Fit.print(line)
	}
	r.printCost(line)
	if len(r.Windows) > 0 {
		r.printWindows(line)
	}
	if err := t.Flush(); err != nil {
		return fmt.Errorf("print the report: %w", err)
	}
	return nil
}

func num(format string, v float64) string { return fmt.Sprintf(format, v) }

func (r *Report) printSynthetic(line func(...string)) {
	var seeds []string
	attacks := 0
	for _, s := range r.Synthetic {
		seeds, attacks = append(seeds, fmt.Sprint(s.Seed)), attacks+s.Attacks
	}
	line(fmt.Sprintf("GENERATED ACTIVITY: %d principals for five weeks with seeds %s, %d attacks in the last two.", r.Synthetic[0].Keys, strings.Join(seeds, ", "), attacks))
	line("The count model was chosen on seeds 1 to 4, so others are held out. Generator and detector have one author: read this as a regression, not as a promise.")
	line()
	m := &r.Mean
	line("one threshold for all principals", "measured", "floor", "goal")
	line("attacks found at one false alarm in 100 principal-days", num("%.1f %%", m.Recall2), "63 %", "70 %")
	line("attacks found at one in 1,000", num("%.1f %%", m.Recall3), "38 %", "50 %")
	line("false alarms of principals in their first three days, against one in 100", num("%.1f ×", m.NewKeys2), "3 ×", "2 ×")
	line()
	line("found, by attack", "1 in 100", "1 in 1,000")
	for a, name := range attackNames {
		line(attackTitles[a], num("%.0f %%", m.ByAttack2[name]), num("%.0f %%", m.ByAttack3[name]))
	}
	line()
	line("at a score fixed beforehand, with a rule's default gates", "found", "false alarms in 100 principal-days")
	for _, f := range m.Fixed {
		if f.Gated {
			line(fmt.Sprintf("score %g", f.Score), num("%.1f %%", f.Recall), num("%.2f", 100*f.False))
		}
	}
	line()
	if len(r.Varied) == 0 {
		return
	}
	line("found, if principals had other habits", "1 in 100", "1 in 1,000", "new principals")
	for _, v := range r.Varied {
		line(v.Habits, num("%.1f %%", v.Recall2), num("%.1f %%", v.Recall3), num("%.1f ×", v.NewKeys2))
	}
	line()
}

var attackTitles = [attacks]string{
	"one window of 5 times the usual", "one window of 20 times the usual", "three times the usual for two hours", "an hour of usual work at night", "ten more calls per window for half an hour",
}

func (s NABScores) cells() string {
	return fmt.Sprintf("%.1f / %.1f / %.1f", s.Standard, s.RewardLowFP, s.RewardLowFN)
}

func (r *NABReport) print(line func(...string)) {
	line(fmt.Sprintf("LABELLED SERIES: %d files, %d points, %d windows with an anomaly. Strictly causal, one configuration for all.", r.Files, r.Points, r.Windows))
	line("The gauge model's constants were chosen on the whole Numenta benchmark: on its files no score of theirs is held out.")
	line("Floors and goals are for the half of the benchmark with every other file.")
	line()
	best := NABScores{r.Threshold, r.Standard, r.RewardLowFP, r.RewardLowFN}
	line("standard / low FP / low FN", "measured", "floor", "goal")
	line(fmt.Sprintf("best threshold for these files, %.2f", best.Threshold), best.cells(), "71 / 66 / 74", "74 / 70 / 77")
	line(fmt.Sprintf("default threshold, %g", r.Fixed.Threshold), r.Fixed.cells(), "", "")
	line()
}

func (r *FitReport) print(line func(...string)) {
	line(fmt.Sprintf("FIT of %d constants (%s) to these files, %d configurations.", len(r.Fitted), strings.Join(r.Fitted, ", "), r.Configurations))
	line(fmt.Sprintf("Unseen: a fifth of the files is left out when threshold and fitted constants are chosen, mean of %d deals ± their deviation.", deals))
	line(fmt.Sprintf("Other files of the same number would move a score by ± %.1f.", r.Spread))
	line()
	line("constants", "files they were chosen on", "unseen files", "threshold")
	for _, s := range r.Sets {
		line(s.Name, s.Seen.cells(), fmt.Sprintf("%s ± %.1f", s.Unseen.cells(), s.UnseenDeviation.Standard), num("%.1f", s.Seen.Threshold))
	}
	line()
	last := r.Sets[len(r.Sets)-1].Constants
	var fitted []string
	for _, k := range knobs {
		for _, name := range r.Fitted {
			if k.name == name {
				fitted = append(fitted, fmt.Sprintf("%s %g", name, *k.of(&last)))
			}
		}
	}
	line("fitted: " + strings.Join(fitted, ", "))
	line()
}

func (r *Report) printCost(line func(...string)) {
	c := &r.Cost
	line("COST of a window of a key, in processor time")
	line()
	line("", "measured", "floor", "goal")
	line("count model, window with events", fmt.Sprintf("%.0f ns, %d B", c.NS, c.Bytes), "300 ns, 200 B", "150 ns")
	line("gauge model, point", fmt.Sprintf("%.0f ns, %d B", c.GaugeNS, c.GaugeBytes), "300 ns, 256 B", "100 ns")
	line()
}

func (r *Report) printWindows(line func(...string)) {
	line("WINDOWS, per second of processor time")
	line()
	line("", "open windows", "measured", "floor", "goal")
	for _, w := range r.Windows {
		line(w.Name, fmt.Sprint(w.Windows), thousands(w.Updates)+" updates/s", thousands(w.Floor), thousands(w.Goal))
	}
	line()
	line("matching and a window for each event", "open windows", "measured")
	for _, c := range r.Rules {
		line(fmt.Sprintf("%d rules, %d windows each", c.Rules, c.Each), fmt.Sprint(c.Rules*c.Each), thousands(c.Events)+" events/s")
	}
}

func thousands(v float64) string { return fmt.Sprintf("%.0f k", v/1000) }
