package detect

import (
	"archive/tar"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"math"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
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
