package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/smithy-go/logging"

	"github.com/cairnstream/cairn/export/alert"
	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/fleet"
	"github.com/cairnstream/cairn/processor/resource"
)

// runCmd is a worker of the fleet.
type runCmd struct {
	Stream string `help:"The Kinesis stream to consume." required:"" placeholder:"NAME" env:"CAIRN_STREAM"`
	place
	Local string `help:"Folder of the local cache (default: DIR/local)." placeholder:"DIR" env:"CAIRN_LOCAL"`
	ruleFlags
	accountsFlag
	From           string        `help:"Where a shard begins that nobody has read: trim-horizon, latest, or a time such as 2026-03-01T10:00:00Z." default:"trim-horizon" env:"CAIRN_FROM"`
	FanOut         string        `help:"Read by enhanced fan-out, as the consumer of this name." placeholder:"NAME" env:"CAIRN_FAN_OUT"`
	MaxShards      int           `help:"Most shards of this worker; 0: its share." default:"0" env:"CAIRN_MAX_SHARDS"`
	Lease          time.Duration `help:"How long a worker may be silent before others take its shards." default:"10s" env:"CAIRN_LEASE"`
	AllowUnkeyed   bool          `help:"Run rules that group although the stream does not keep partition keys together." env:"CAIRN_ALLOW_UNKEYED"`
	Lateness       time.Duration `help:"How far the watermark stays behind arrival: 20m for files and log subscriptions, 5m for EventBridge." default:"20m" env:"CAIRN_LATENESS"`
	SnapshotEvery  time.Duration `help:"Distance of inventory snapshots, at least 1h." default:"1h" env:"CAIRN_SNAPSHOT_EVERY"`
	KeepTombstones time.Duration `help:"How long deleted resources stay in the inventory." default:"720h" env:"CAIRN_KEEP_TOMBSTONES"`
	CommitEvery    time.Duration `help:"How long work may wait until it is durable." default:"10s" env:"CAIRN_COMMIT_EVERY"`
	RollAge        time.Duration `help:"Age at which open rows become a file." default:"5m" env:"CAIRN_ROLL_AGE"`
	RollSize       int64         `help:"Size at which they do, in MiB." default:"128" env:"CAIRN_ROLL_SIZE"`
	Encoders       int           `help:"Parquet files encoded at once, by one shard at a time." default:"2" env:"CAIRN_ENCODERS"`
	Catalogue      []string      `help:"Folder of inventory catalogue files to add (repeatable)." placeholder:"DIR" env:"CAIRN_CATALOGUE"`
	GC             string        `help:"Garbage in the stores: on, report (count it only) or off." default:"on" name:"gc" env:"CAIRN_GC"`
	Listen         string        `help:"Address of /livez, /readyz and /metrics (default: ${default}); empty: none." default:"127.0.0.1:9464" placeholder:"ADDR" env:"CAIRN_LISTEN"`
	Pprof          bool          `help:"Serve profiles at /debug/pprof/ too." env:"CAIRN_PPROF"`
	LogFormat      string        `help:"text or json." default:"text" env:"CAIRN_LOG_FORMAT"`
}

func (c *runCmd) validate() (from time.Time, err error) {
	switch {
	case c.SnapshotEvery < time.Hour || c.SnapshotEvery%time.Hour != 0:
		return from, usageError{errors.New("--snapshot-every must be whole hours, at least 1h")}
	case c.Lateness < 0 || c.Lateness+5*time.Minute > c.SnapshotEvery:
		return from, usageError{errors.New("--snapshot-every must be longer than --lateness by at least 5m, else a snapshot would show what happened after it")}
	case c.KeepTombstones < 26*time.Hour:
		return from, usageError{errors.New("--keep-tombstones must be at least 26h, as long as a late event may take")}
	case c.CommitEvery < time.Second || c.CommitEvery > 10*time.Minute:
		return from, usageError{errors.New("--commit-every must be between 1s and 10m")}
	case c.RollAge < c.CommitEvery || c.RollSize < 1 || c.Encoders < 1:
		return from, usageError{errors.New("--roll-age must be at least --commit-every, --roll-size and --encoders at least 1")}
	case c.Lease < 2*time.Second || c.Lease > 10*time.Minute:
		return from, usageError{errors.New("--lease must be between 2s and 10m")}
	case c.GC != "on" && c.GC != "report" && c.GC != "off":
		return from, oneOf("--gc", c.GC, "on", "report", "off")
	case c.LogFormat != "text" && c.LogFormat != "json":
		return from, oneOf("--log-format", c.LogFormat, "text", "json")
	case strings.Contains(c.App, "/"):
		return from, usageError{errors.New("--app must be a name without slashes")}
	}
	return startOf(c.From, time.Now())
}

// startOf reads a flag --from. Zero is the oldest record.
func startOf(from string, now time.Time) (start time.Time, err error) {
	switch from {
	case "trim-horizon":
		return time.Time{}, nil
	case "latest":
		return now, nil
	}
	if start, err = time.Parse(time.RFC3339, from); err != nil {
		return start, usageError{fmt.Errorf("--from must be trim-horizon, latest, or a time such as 2026-03-01T10:00:00Z, not %q", from)}
	}
	if start.After(now) {
		return start, usageError{fmt.Errorf("--from %s is in the future: Kinesis begins at no such time; for what comes from now on take latest", from)}
	}
	return start, nil
}

// Run works until it is told to stop.
func (c *runCmd) Run(e *env) error {
	from, err := c.validate()
	if err != nil {
		return err
	}
	log := c.logger(e)
	metrics := fleet.NewMetrics()
	files := fleet.WatchRules(c.Rules, c.compile)
	set, err := c.load(e)
	if err != nil {
		return err
	}
	book, err := c.book(e)
	if err != nil {
		return err
	}
	cfg := fleet.Config{Stream: c.Stream, Rules: fleet.NewRules(set), Accounts: fleet.NewAccounts(book), From: from, Lease: c.Lease, MaxShards: c.MaxShards, FanOut: c.FanOut,
		AllowUnkeyed: c.AllowUnkeyed, CollectEvery: 10 * time.Minute, ReportOnly: c.GC == "report", Metrics: metrics, Log: log}
	if c.GC == "off" {
		cfg.CollectEvery = 0
	}
	if err := c.connect(e.ctx, &cfg, log); err != nil {
		return err
	}
	if cfg.Shard, err = c.template(e.ctx, log); err != nil {
		return err
	}
	sent := alert.NewMetrics()
	beside := watchSinks(c.Rules, metrics, log)
	sinks, err := beside.load()
	if err != nil {
		return e.eachLine(err, "the sinks have mistakes")
	}
	out, err := newOutbox(e.ctx, sinks, cfg.Rules.Set, c.flags(c.place), sent, log)
	if err != nil {
		return err
	}
	defer out.close(context.Background())
	out.equip(&cfg.Shard)
	w, err := fleet.New(cfg)
	if err != nil {
		return err
	}
	closeHealth, err := c.serve(metrics.Handler(c.Pprof, sent), log)
	if err != nil {
		return err
	}
	defer closeHealth()
	go c.followRules(e, w, files)
	go c.followAccounts(e.ctx, cfg.Accounts, metrics, log)
	go beside.follow(e.ctx, out)
	return untilStopped(e.ctx, stopLimit-alertTime, w.Run)
}

// connect makes the clients of the stream and the lease table. Endpoints and
// credentials come from the SDK's own environment and files.
func (c *runCmd) connect(ctx context.Context, cfg *fleet.Config, log *slog.Logger) error {
	// What the SDK has to say otherwise goes to standard error in a form of its
	// own; it is about single requests, which are repeated.
	quiet := logging.LoggerFunc(func(_ logging.Classification, format string, v ...any) {
		log.Debug("aws: " + fmt.Sprintf(format, v...))
	})
	// AWS_CA_BUNDLE may be set: the SDK refuses a plain http.Client then.
	settings, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(awshttp.NewBuildableClient()), config.WithLogger(quiet))
	if err != nil {
		return fmt.Errorf("read the AWS settings: %w", err)
	}
	cfg.Kinesis, cfg.DynamoDB = kinesis.NewFromConfig(settings), dynamodb.NewFromConfig(settings)
	return nil
}

// template is what all shards have in common.
func (c *runCmd) template(ctx context.Context, log *slog.Logger) (shard processor.Config, err error) {
	thrift()
	more, err := folders(c.Catalogue)
	if err != nil {
		return shard, err
	}
	if shard.Catalogue, err = resource.LoadCatalogue(more...); err != nil {
		return shard, err
	}
	if shard.Lake, err = c.openLake(ctx); err != nil {
		return shard, err
	}
	if shard.State, err = c.openState(ctx); err != nil {
		return shard, err
	}
	shard.App, shard.Local, shard.Writer, shard.Log = c.app(), c.local(), writer(), log
	if c.Local != "" {
		shard.Local = c.Local
	}
	shard.History = processor.NewLakePast(shard.Lake)
	shard.Lateness, shard.SnapshotEvery, shard.KeepTombstones = c.Lateness, c.SnapshotEvery, c.KeepTombstones
	shard.CommitRecords, shard.CommitBytes, shard.CommitEvery = 500_000, 32<<20, c.CommitEvery
	shard.Roll = processor.Roll{Age: c.RollAge, Bytes: c.RollSize << 20, ReportAge: 3 * c.RollAge, Days: 4}
	shard.Encoders, shard.Rolls = c.Encoders, make(chan struct{}, 1)
	return shard, nil
}

// serve begins to answer operators.
func (c *runCmd) serve(handler http.Handler, log *slog.Logger) (stop func(), err error) {
	if c.Listen == "" {
		return func() {}, nil
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen for /livez, /readyz and /metrics: %w; choose another --listen, as each worker of a host needs", err)
	}
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			log.Error("health and metrics are not served any more", "error", err)
		}
	}()
	log.Info("health and metrics", "address", listener.Addr().String())
	return func() { _ = server.Close() }, nil // the process ends
}

func (c *runCmd) logger(e *env) *slog.Logger {
	level := slog.LevelInfo
	if text := os.Getenv("CAIRN_LOG"); text != "" {
		_ = level.UnmarshalText([]byte(text)) // an unknown level keeps the default
	}
	options := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(e.err, options))
	}
	return slog.New(slog.NewTextHandler(e.err, options))
}
