package detect

import (
	"archive/tar"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func nabFolder(t *testing.T) string {
	t.Helper()
	data := os.Getenv("CAIRN_DATA")
	if data == "" {
		t.Skip("set CAIRN_DATA to the data folder")
	}
	return filepath.Join(data, "nab")
}

// TestScorerReproducesPublishedScores: the scores that a published detector
// gave to each row must be worth what its authors report for these files.
func TestScorerReproducesPublishedScores(t *testing.T) {
	dir := nabFolder(t)
	series, err := loadNAB(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	published := publishedScores(t, filepath.Join(dir, "check", "windowedGaussian-scores.tar.gz"))
	scores := make([][]float64, len(series))
	for i, s := range series {
		scores[i] = published[path.Base(s.name)]
		if len(scores[i]) != len(s.values) {
			t.Fatalf("%s: %d scores for %d rows", s.name, len(scores[i]), len(s.values))
		}
	}
	c := corpus(series, scores)
	for _, p := range []struct {
		profile nabProfile
		want    float64
	}{{nabStandard, 36.71}, {nabLowFP, 21.40}, {nabLowFN, 45.17}} {
		if got, _ := c.best(p.profile); math.Abs(got-p.want) > 0.01 {
			t.Errorf("%+v: %.2f, published %.2f", p.profile, got, p.want)
		}
	}
	if len(series) != 31 || c.windows != 57 {
		t.Errorf("%d files with %d windows", len(series), c.windows)
	}
}

// publishedScores reads the column anomaly_score of each file of an archive.
func publishedScores(t *testing.T, name string) map[string][]float64 {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	zip, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]float64{}
	archive := tar.NewReader(zip)
	for {
		h, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasSuffix(h.Name, ".csv") {
			continue
		}
		rows, err := csv.NewReader(archive).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		column := 0
		for i, title := range rows[0] {
			if title == "anomaly_score" {
				column = i
			}
		}
		base := strings.TrimPrefix(path.Base(h.Name), "windowedGaussian_")
		for _, row := range rows[1:] {
			v, err := strconv.ParseFloat(row[column], 64)
			if err != nil {
				t.Fatal(err)
			}
			out[base] = append(out[base], v)
		}
	}
}

// TestGaugeOnNAB holds the floors of the goals on the files of the pack.
func TestGaugeOnNAB(t *testing.T) {
	r, err := NAB(os.DirFS(nabFolder(t)))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", *r)
	if r.Standard < 71 || r.RewardLowFP < 66 || r.RewardLowFN < 74 {
		t.Errorf("%.1f/%.1f/%.1f, floor 71/66/74", r.Standard, r.RewardLowFP, r.RewardLowFN)
	}
}

// smallFolder is a folder with two series of 400 rows: one with a jump that
// stays, in a labelled window of 20 rows, one without a label.
func smallFolder() fstest.MapFS {
	series := func(value func(i int) int) *fstest.MapFile {
		var b strings.Builder
		b.WriteString("timestamp,value\n")
		at := time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC)
		for i := range 400 {
			fmt.Fprintf(&b, "%s,%d\n", at.Add(time.Duration(i)*5*time.Minute).Format(nabTime), value(i))
		}
		return &fstest.MapFile{Data: []byte(b.String())}
	}
	label := func(i int) string {
		return time.Date(2026, 1, 5, 0, 0, 0, 0, time.UTC).Add(time.Duration(i)*5*time.Minute).Format(nabTime) + ".000000"
	}
	return fstest.MapFS{
		"data/a/jump.csv": series(func(i int) int {
			if i >= 310 {
				return 900
			}
			return 100 + i*37%10
		}),
		"data/a/quiet.csv": series(func(i int) int { return 100 + i*31%10 }),
		"labels/combined_windows.json": &fstest.MapFile{Data: fmt.Appendf(nil,
			`{"a/jump.csv": [[%q, %q]], "a/quiet.csv": []}`, label(305), label(324))},
	}
}

// TestScoringByHand works small cases out as the benchmark's text says.
func TestScoringByHand(t *testing.T) {
	folder, err := loadNAB(smallFolder())
	if err != nil {
		t.Fatal(err)
	}
	blank := func() [][]float64 { return [][]float64{make([]float64, 400), make([]float64, 400)} }
	score := func(p nabProfile, set func(s [][]float64)) float64 {
		s := blank()
		set(s)
		c := corpus(folder, s)
		return c.at(p, 1)
	}
	sig := func(x float64) float64 { return 2/(1+math.Exp(5*x)) - 1 }
	for name, c := range map[string]struct {
		profile nabProfile
		set     func(s [][]float64)
		want    float64
	}{
		"first row of the window":     {nabStandard, func(s [][]float64) { s[0][305] = 1 }, 100},
		"the earliest row counts":     {nabStandard, func(s [][]float64) { s[0][305], s[0][315], s[0][324] = 1, 1, 1 }, 100},
		"half-way":                    {nabStandard, func(s [][]float64) { s[0][315] = 1 }, 100 * (sig(-0.5)/sig(-1) + 1) / 2},
		"a miss and a false positive": {nabStandard, func(s [][]float64) { s[1][200] = 1 }, 100 * -0.11 / 2},
		"false positives cost double": {nabLowFP, func(s [][]float64) { s[1][200] = 1 }, 100 * -0.22 / 2},
		"misses cost double":          {nabLowFN, func(s [][]float64) { s[1][200] = 1 }, 100 * -0.11 / 3},
		"just after the window":       {nabStandard, func(s [][]float64) { s[0][305], s[0][325] = 1, 1 }, 100 * (2 + 0.11*sig(1.0/19)) / 2},
		"in probation":                {nabStandard, func(s [][]float64) { s[1][59] = 1 }, 0},
		"after probation":             {nabStandard, func(s [][]float64) { s[1][60] = 1 }, 100 * -0.11 / 2},
	} {
		if got := score(c.profile, c.set); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// TestNAB scores the small folder whole: the jump is found in its window.
func TestNAB(t *testing.T) {
	r, err := NAB(smallFolder())
	if err != nil {
		t.Fatal(err)
	}
	if r.Files != 2 || r.Points != 800 || r.Windows != 1 || r.Standard < 80 {
		t.Errorf("%+v", *r)
	}
}

func TestBadFolders(t *testing.T) {
	for name, change := range map[string]func(f fstest.MapFS){
		"no labels": func(f fstest.MapFS) { delete(f, "labels/combined_windows.json") },
		"no series": func(f fstest.MapFS) { delete(f, "data/a/jump.csv"); delete(f, "data/a/quiet.csv") },
		"no entry":  func(f fstest.MapFS) { f["data/a/other.csv"] = f["data/a/jump.csv"] },
		"no number": func(f fstest.MapFS) {
			f["data/a/jump.csv"] = &fstest.MapFile{Data: []byte("timestamp,value\n2026-01-05 00:00:00,x\n")}
		},
		"no such row": func(f fstest.MapFS) {
			f["data/a/jump.csv"] = &fstest.MapFile{Data: []byte("timestamp,value\n2026-01-05 00:00:00,1\n")}
		},
		"no time": func(f fstest.MapFS) {
			f["data/a/jump.csv"] = &fstest.MapFile{Data: []byte("timestamp,value\nyesterday,1\n")}
		},
		"broken label": func(f fstest.MapFS) { f["labels/combined_windows.json"] = &fstest.MapFile{Data: []byte("{")} },
	} {
		folder := smallFolder()
		change(folder)
		if _, err := NAB(folder); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
