// Command cairn turns AWS CloudTrail into findings, a live inventory of
// resources and a lake of Parquet files. This folder is the command line
// alone, a file per subcommand; the work is done by the packages below
// processor.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // rules name time zones, and small images have no database of them

	"github.com/alecthomas/kong"
)

// Exit statuses.
const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := run(&env{ctx: ctx, in: os.Stdin, out: os.Stdout, err: os.Stderr}, os.Args[1:])
	stop()
	os.Exit(code) //nolint:gocritic // stop was called just above
}

// env is what a command gets from outside beside its arguments.
type env struct {
	ctx context.Context //nolint:containedctx // one command's life; kong calls Run without one
	in  io.Reader
	out io.Writer
	err io.Writer
}

// cli is the command line.
type cli struct {
	Replay    replayCmd    `cmd:"" help:"Run the whole pipeline over CloudTrail files."`
	Run       runCmd       `cmd:"" help:"Consume a share of a Kinesis stream as a worker of the fleet."`
	Forward   forwardCmd   `cmd:"" help:"Put the events of CloudTrail files on a Kinesis stream, keyed by account."`
	Findings  findingsCmd  `cmd:"" help:"List findings, and show one with all that is known of it."`
	Resources resourcesCmd `cmd:"" help:"Show the inventory, now or as of a time."`
	Rules     rulesCmd     `cmd:"" help:"Check, list and test detection rules."`
	Alert     alertCmd     `cmd:"" help:"Show the sinks of alerts and try them."`
	State     stateCmd     `cmd:"" help:"Show and verify the state, for operators."`
	DLQ       dlqCmd       `cmd:"" name:"dlq" help:"Show what could not be decoded."`
	DDL       ddlCmd       `cmd:"" name:"ddl" help:"Print Athena tables and views for the lake."`
	Bench     benchCmd     `cmd:"" help:"Measure, and print one JSON report."`
	Version   versionCmd   `cmd:"" help:"Print version, Go version and format versions."`
}

const about = `Stream processor for AWS CloudTrail: detection, a live inventory and an Athena-ready lake.

With no AWS at all: "cairn replay" runs everything over a bundled sample,
"cairn replay DIR" over your own CloudTrail files.

Settings can also come from the environment: --data is CAIRN_DATA_DIR, --rules is
CAIRN_RULES, and so on, as the help of each command shows.`

// run carries out one command line and returns the exit status.
func run(e *env, args []string) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("cairn"), kong.Description(about),
		kong.Writers(e.out, e.err), kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Bind(e),
	)
	if err != nil {
		return e.fail(err)
	}
	if len(args) == 0 || args[0] == "help" {
		args = append(args[min(1, len(args)):], "--help")
	}
	command, err := parser.Parse(args)
	switch {
	case exited >= 0:
		return exited
	case err != nil:
		_, _ = fmt.Fprintf(e.err, "cairn: %v; see \"%s --help\"\n", err, commandOf(err))
		return exitUsage
	}
	if err := command.Run(); err != nil {
		return e.fail(err)
	}
	return exitDone
}

// commandOf is the command that a mistake on the command line is about.
func commandOf(err error) string {
	name := "cairn"
	var parse *kong.ParseError
	if !errors.As(err, &parse) || parse.Context == nil {
		return name
	}
	for _, p := range parse.Context.Path {
		if p.Command != nil {
			name = "cairn " + strings.TrimPrefix(p.Command.Path(), "cairn ")
		}
	}
	return name
}

// usageError is a mistake on the command line that the parser cannot know.
type usageError struct{ error }

func (e *env) fail(err error) int {
	var usage usageError
	if errors.As(err, &usage) {
		_, _ = fmt.Fprintf(e.err, "cairn: %v\n", err)
		return exitUsage
	}
	_, _ = fmt.Fprintf(e.err, "cairn: %s\n", advise(err))
	return exitFailed
}
