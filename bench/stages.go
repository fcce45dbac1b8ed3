package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/google/pprof/profile"
)

// Stage is a part of the pipeline and its share of the CPU time, 0 to 1.
type Stage struct {
	Name     string  `json:"name"`
	CPUShare float64 `json:"cpu_share"`
}

// marks tell the stage of a sample by the functions on its stack. The first
// that any frame bears decides, so the narrower stand before the wider.
var marks = []struct{ stage, function string }{
	{"gunzip", "compress/gzip."},
	{"gunzip", "compress/flate."},
	{"decode", "processor/cloudtrail."},
	{"rules", "processor/rule."},
	{"windows", "processor/window."},
	{"baselines", "processor/baseline."},
	{"inventory", "processor/resource."},
	{"inventory", "processor.(*inventory)."},
	{"findings", "processor/detect."},
	{"identity", "processor/identity."},
	{"dedup", "processor.(*dedup)."},
	{"parquet", "export/columnar."},
	{"parquet", "parquet-go."},
	{"row log", "export/rowlog."},
	{"export", "cairn/export."},
	{"state", "cairn/state"},
	{"state", "badger"},
	{"replay", "processor/replay."},
	{"shard", "cairn/processor."},
	{"garbage collection", "runtime.gcBgMarkWorker"},
	{"garbage collection", "runtime.bgsweep"},
	{"garbage collection", "runtime.gcDrain"},
	{"compression", "compress/zstd."},
	{"compression", "compress/s2."},
}

// stages sums the samples of a CPU profile by stage, the largest first.
func stages(r io.Reader) ([]Stage, error) {
	p, err := profile.Parse(r)
	if err != nil {
		return nil, fmt.Errorf("read the profile: %w", err)
	}
	sums, total := map[string]int64{}, int64(0)
	for _, s := range p.Sample {
		v := s.Value[len(s.Value)-1]
		sums[stageOf(s)] += v
		total += v
	}
	var out []Stage
	for name, v := range sums {
		out = append(out, Stage{Name: name, CPUShare: float64(v) / float64(max(1, total))})
	}
	slices.SortFunc(out, func(a, b Stage) int {
		if a.CPUShare != b.CPUShare {
			return int((b.CPUShare - a.CPUShare) * 1e9)
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out, nil
}

func stageOf(s *profile.Sample) string {
	var names []string
	for _, l := range s.Location {
		for _, line := range l.Line {
			names = append(names, line.Function.Name)
		}
	}
	for _, m := range marks {
		for _, n := range names {
			if strings.Contains(n, m.function) {
				return m.stage
			}
		}
	}
	return "runtime"
}
