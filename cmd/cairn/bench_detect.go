package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/cairnstream/cairn/bench/detect"
)

type benchDetectCmd struct {
	output
	NAB     string   `name:"nab" help:"Also score the labelled series of DIR, in the layout of the Numenta Anomaly Benchmark: data/ and labels/combined_windows.json." placeholder:"DIR" type:"existingdir"`
	Fit     int      `help:"Also fit the first N constants of the gauge model to the series of --nab, and score the fit on files that it did not see. 4 take half a minute, 12 some minutes." placeholder:"N"`
	Seeds   []uint64 `help:"Seeds of the generated principals. Seeds 1 to 4 were used to choose constants." default:"5,6,7,8"`
	Keys    int      `help:"Generated principals per seed." default:"3000"`
	Vary    bool     `help:"Also with principals of five other habits, to see what rests on the generator's."`
	Windows bool     `help:"Measure windows and rules too, which takes 1.5 GB of memory." default:"true" negatable:""`
}

// Help says what is measured.
func (*benchDetectCmd) Help() string {
	return `Measures what learned thresholds find and how often they are wrong, on
generated principals with attacks and on labelled series; and what key-windows,
windows and rules cost. Times are processor time of one core. Takes about a
minute; nothing is written but a folder for temporary files.`
}

// Run measures and prints.
func (c *benchDetectCmd) Run(e *env) error {
	if c.Fit != 0 && (c.NAB == "" || c.Fit < 0 || c.Fit > detect.MaxKnobs) {
		return usageError{fmt.Errorf("--fit %d needs --nab and takes 1 to %d constants", c.Fit, detect.MaxKnobs)}
	}
	if c.Keys < 1 {
		return usageError{errors.New("--keys must be above 0")}
	}
	opts := detect.Options{
		Fit: c.Fit, Seeds: c.Seeds, Keys: c.Keys, Vary: c.Vary, Windows: c.Windows,
		Progress: func(what string) { _, _ = fmt.Fprintln(e.err, what) },
	}
	if c.NAB != "" {
		opts.NAB = os.DirFS(c.NAB)
	}
	report, err := detect.Run(opts)
	if err != nil {
		return err
	}
	if c.json() {
		return printJSON(e.out, report)
	}
	return report.Print(e.out)
}
