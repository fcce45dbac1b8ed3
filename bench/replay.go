// Package bench measures Cairn on the user's own machine and data: throughput
// of a replay and where its time goes. Each measure prints one report that a
// program can read.
package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"github.com/cairnstream/cairn/export"
	"github.com/cairnstream/cairn/processor/replay"
)

// ReplayReport is what a replay cost. Bytes are whole bytes, times are seconds.
type ReplayReport struct {
	Input              ReplayInput `json:"input"`
	ElapsedSeconds     float64     `json:"elapsed_seconds"`
	CPUSeconds         float64     `json:"cpu_seconds"` // user and system, of the whole process
	EventsPerSecond    float64     `json:"events_per_second"`
	EventsPerCPUSecond float64     `json:"events_per_cpu_second"`
	MegabytesPerSecond float64     `json:"megabytes_per_second"` // 10⁶ bytes of raw JSON
	PeakRSSBytes       int64       `json:"peak_rss_bytes"`
	LakeBytes          int64       `json:"lake_bytes"`      // all tables
	EventsBytes        int64       `json:"events_bytes"`    // the table events alone
	BytesPerEvent      float64     `json:"bytes_per_event"` // of the table events
	LakeToGz           float64     `json:"lake_to_gz"`      // the table events against the input as gzip
	Scan               []Scan      `json:"scan"`
	Stages             []Stage     `json:"stages"`
	Go                 string      `json:"go"`
	CPUs               int         `json:"cpus"`
}

// ReplayInput is what was replayed.
type ReplayInput struct {
	Files     int   `json:"files"`
	BytesGz   int64 `json:"bytes_gz"`   // as stored
	BytesJSON int64 `json:"bytes_json"` // uncompressed
	Events    int64 `json:"events"`
}

// Scan is what a query reads of the lake: the column chunks that it names, as
// the footers give their sizes, over all days.
type Scan struct {
	Query string  `json:"query"`
	Bytes int64   `json:"bytes"`
	ToGz  float64 `json:"gz_bytes_per_byte"` // how many bytes of gzip JSON stand for one byte read
}

// scans are the columns of the two queries that the reports follow: access
// denied per principal, and calls and errors per service and hour; beside them
// the smallest useful aggregate, two columns.
var scans = []struct {
	query   string
	columns []string
}{
	{"two columns: errors by event name", []string{"eventname", "errorcode"}},
	{"access denied per principal", []string{"useridentity.arn", "eventsource", "eventname", "errorcode"}},
	{"calls and errors per service and hour", []string{"event_ts", "eventsource", "errorcode"}},
}

// Replay runs cfg over in and measures it. The CPU profile, from which the
// shares of the stages are read, is copied to profile unless that is nil.
func Replay(ctx context.Context, cfg replay.Config, in *replay.Inputs, profile io.Writer) (*ReplayReport, error) {
	var samples bytes.Buffer
	if err := pprof.StartCPUProfile(&samples); err != nil {
		return nil, fmt.Errorf("start the profile: %w", err)
	}
	start, cpu := time.Now(), cpuSeconds()
	result, err := replay.Run(ctx, cfg, in)
	elapsed, used := time.Since(start).Seconds(), cpuSeconds()-cpu
	pprof.StopCPUProfile()
	if err != nil {
		return nil, err
	}
	if profile != nil {
		if _, err := profile.Write(samples.Bytes()); err != nil {
			return nil, fmt.Errorf("write the profile: %w", err)
		}
	}
	r := &ReplayReport{
		Input:          ReplayInput{Files: len(in.Files), BytesGz: in.Bytes, BytesJSON: result.Run.Bytes, Events: result.Run.Rows},
		ElapsedSeconds: elapsed, CPUSeconds: used, PeakRSSBytes: peakRSS(),
		Go: runtime.Version(), CPUs: runtime.GOMAXPROCS(0),
	}
	r.EventsPerSecond = float64(r.Input.Events) / elapsed
	r.EventsPerCPUSecond = float64(r.Input.Events) / used
	r.MegabytesPerSecond = float64(r.Input.BytesJSON) / 1e6 / elapsed
	if r.Stages, err = stages(&samples); err != nil {
		return nil, err
	}
	return r, r.measureLake(ctx, cfg)
}

// measureLake adds what the lake weighs.
func (r *ReplayReport) measureLake(ctx context.Context, cfg replay.Config) error {
	lake := cfg.Shard.Lake
	for o, err := range lake.List(ctx, "") {
		if err != nil {
			return fmt.Errorf("list the lake: %w", err)
		}
		r.LakeBytes += o.Size
	}
	sizes, err := export.ColumnBytes(ctx, lake, export.Events)
	if err != nil {
		return err
	}
	r.EventsBytes = sizes.Files
	r.BytesPerEvent = float64(r.EventsBytes) / float64(max(1, r.Input.Events))
	r.LakeToGz = float64(r.EventsBytes) / float64(max(1, r.Input.BytesGz))
	for _, s := range scans {
		var n int64
		for _, c := range s.columns {
			n += sizes.Columns[c]
		}
		r.Scan = append(r.Scan, Scan{Query: s.query, Bytes: n, ToGz: float64(r.Input.BytesGz) / float64(max(1, n))})
	}
	return nil
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()).Seconds()
}

// peakRSS is the greatest resident size of this process so far; Linux counts
// it in KiB (getrusage(2)), Darwin in bytes.
func peakRSS() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	if runtime.GOOS == "darwin" {
		return u.Maxrss
	}
	return u.Maxrss << 10
}
