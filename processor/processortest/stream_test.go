package processortest

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestStreamSequences(t *testing.T) {
	s := NewStream(2, 5)
	var got []string
	for i := range 20 {
		_, seq := s.Put(fmt.Sprint(i), nil, day)
		got = append(got, seq)
	}
	if !slices.IsSortedFunc(got, CompareSequences) || len(got[0]) == len(got[19]) || len(got[0]) <= len("18446744073709551615") {
		t.Errorf("from %s to %s: want rising numbers of two lengths beyond 64 bits", got[0], got[19])
	}
	if slices.IsSorted(got) {
		t.Error("the order of the texts is that of the numbers, so it hides a wrong comparison")
	}
}

func TestStreamReshards(t *testing.T) {
	s := NewStream(1, 3)
	put := func(n int) (keys []string) {
		for i := range n {
			k := fmt.Sprintf("key %d", i)
			s.Put(k, []byte(k), day)
			keys = append(keys, k)
		}
		return keys
	}
	put(10)
	shards := s.Shards()
	if !s.Split(shards[0].ID, HashOf("key 3")) || s.Split(shards[0].ID, HashOf("key 4")) {
		t.Fatal("a shard splits once")
	}
	put(10)
	shards = s.Shards()
	if s.Merge(shards[2].ID, shards[1].ID) || !s.Merge(shards[1].ID, shards[2].ID) {
		t.Fatal("only the lower shard merges with the upper one")
	}
	put(10)
	shards = s.Shards()
	if d := cmp.Diff([]string{shards[1].ID, shards[2].ID}, shards[3].Parents); d != "" {
		t.Error(d)
	}
	if shards[3].HashRange() != shards[0].HashRange() || shards[1].Share()+shards[2].Share() != 1 {
		t.Error("the merged range is not the whole")
	}
	for _, sh := range shards {
		records, end, err := s.Read(t.Context(), "w", sh.ID, "", 100)
		if err != nil || end != (len(sh.Children) > 0) {
			t.Errorf("%s: end %v, %v", sh.ID, end, err)
		}
		for _, r := range records {
			if h := HashOf(r.PartitionKey); h.Cmp(sh.Lo) < 0 || h.Cmp(sh.Hi) > 0 {
				t.Errorf("%s in %s, where its hash is not", r.PartitionKey, sh.ID)
			}
		}
	}
	if n := len(s.Records(shards[1].ID)) + len(s.Records(shards[2].ID)); n != 10 {
		t.Errorf("%d records in the halves, want 10", n)
	}
	if !slices.ContainsFunc(s.Records(shards[2].ID), func(r Record) bool { return r.PartitionKey == "key 3" }) {
		t.Error("a split begins the upper half with its hash key")
	}
}

func TestStreamReads(t *testing.T) {
	s := NewStream(1, 2)
	var all []string
	for range 5 {
		_, seq := s.Put("k", nil, day)
		all = append(all, seq)
	}
	var got []string
	for after := ""; ; {
		records, end, err := s.Read(t.Context(), "w", s.Shards()[0].ID, after, 2)
		if err != nil || end {
			t.Fatalf("end %v, %v", end, err)
		}
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			got = append(got, r.Sequence)
		}
		after = got[len(got)-1]
	}
	if d := cmp.Diff(all, got); d != "" {
		t.Error(d)
	}
}

func TestCompareSequences(t *testing.T) {
	sorted := []string{"", "9", "10", "99", "100", "9" + strings.Repeat("0", 30), new(big.Int).Exp(big.NewInt(10), big.NewInt(128), nil).String()}
	for i := range sorted[1:] {
		if CompareSequences(sorted[i], sorted[i+1]) >= 0 || CompareSequences(sorted[i+1], sorted[i]) <= 0 {
			t.Errorf("%q is not below %q", sorted[i], sorted[i+1])
		}
	}
}

// TestGeneratorMakesAllKinds decodes what is generated as a shard would.
func TestGeneratorMakesAllKinds(t *testing.T) {
	g := NewGenerator(1, 4)
	var d cloudtrail.Decoder
	seen := map[string]int{}
	ids := map[string]bool{}
	for i := range 600 {
		arrival := day.Add(time.Duration(i) * time.Minute)
		r := d.Decode(g.Next(arrival).Data)
		seen["control"] += r.Control
		seen["reject"] += len(r.Rejects)
		if r.Keys != nil {
			seen["aggregate"]++
		}
		for i := range r.Events {
			e := &r.Events[i]
			if ids[e.ID] {
				seen["copy"]++
			}
			ids[e.ID] = true
			if arrival.Sub(e.Time) > 26*time.Hour {
				seen["very late"]++
			}
			if e.Time.After(arrival) {
				seen["early"]++
			}
		}
	}
	seen["event"] = len(ids)
	for _, kind := range []string{"event", "copy", "reject", "control", "aggregate", "very late", "early"} {
		if seen[kind] == 0 {
			t.Errorf("no %s among 600 records", kind)
		}
	}
	t.Log(seen)
}

func TestGeneratorRepeatsItself(t *testing.T) {
	a, b := NewGenerator(7, 3), NewGenerator(7, 3)
	for range 50 {
		if d := cmp.Diff(a.Next(day), b.Next(day)); d != "" {
			t.Fatal(d)
		}
	}
}
