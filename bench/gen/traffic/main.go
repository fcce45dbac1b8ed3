// Command traffic writes CloudTrail files of an invented organisation whose
// last events have just happened, as its bucket would show them now.
//
//	go run ./bench/gen/traffic -accounts 20 -events 20000 DIR
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/cairnstream/cairn/bench/gen"
)

func main() {
	accounts := flag.Int("accounts", 20, "accounts of the organisation")
	events := flag.Int("events", 20_000, "events, about")
	span := flag.Duration("span", 100*time.Minute, "how far back they go")
	attacks := flag.Int("attacks", 4, "accounts that are attacked")
	seed := flag.Uint64("seed", 1, "seed of all that is left to chance")
	flag.Usage = func() {
		fmt.Fprintf(flag.CommandLine.Output(), "usage: traffic [flags] DIR\n\nWrites CloudTrail files that end now.\n\n")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() != 1 {
		flag.Usage()
		os.Exit(2)
	}
	now := time.Now().UTC()
	o := gen.Options{Seed: *seed, Accounts: *accounts, Attacks: *attacks, Start: now.Add(-*span), Duration: *span, Until: now}
	if err := write(o, *events, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "traffic:", err)
		os.Exit(1)
	}
}

func write(o gen.Options, events int, dir string) error {
	g, err := gen.Fit(o, events)
	if err != nil {
		return err
	}
	sum, err := g.Write(dir)
	if err == nil {
		fmt.Printf("%d events of %d accounts in %d files, %d of them of attacks, up to %s\n", sum.Events, o.Accounts, sum.Files, sum.Labelled, o.Until.Format(time.RFC3339))
	}
	return err
}
