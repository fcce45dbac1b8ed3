package kcl

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/cairnstream/cairn/processor"
	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state/key"
)

func lookAll(w *keyWatch, keys []string, account func(i int) string) (f keyFindings) {
	var d cloudtrail.Decoder
	var records []processor.Record
	for i, k := range keys {
		records = append(records, processor.Record{Sequence: fmt.Sprint(i + 1), PartitionKey: k, Arrival: time.Unix(0, 0),
			Data: fmt.Appendf(nil, `{"eventVersion":"1.11","eventTime":"2026-03-01T00:00:00Z","eventName":"A","eventID":"%d","recipientAccountId":"%s"}`, i, account(i))})
	}
	return w.look(records, processor.DecodeRecords(&d, records, time.Unix(0, 0)))
}

func TestPartitionKeys(t *testing.T) {
	same := func(int) string { return "111122223333" }
	numbered := func(n int, form string) (keys []string) {
		for i := range n {
			keys = append(keys, fmt.Sprintf(form, i))
		}
		return keys
	}
	tests := map[string]struct {
		keys    []string
		account func(int) string
		want    keyFindings
	}{
		"one key per account":         {numbered(900, "1111222233%02d"), func(i int) string { return fmt.Sprintf("1111222233%02d", i) }, keyFindings{}},
		"32 keys of an account":       {numbered(32, "k%d"), same, keyFindings{}},
		"33 keys of an account":       {numbered(33, "k%d"), same, keyFindings{first: []string{oddRandom}}},
		"a key per event":             {numbered(500, "k%d"), same, keyFindings{first: []string{oddRandom}}},
		"log streams":                 {[]string{"111122223333_CloudTrail_eu-west-1", "111122223333_CloudTrail_us-east-1_2"}, same, keyFindings{first: []string{oddLogStream}}},
		"no log stream":               {[]string{"111122223333", "1_CloudTrail_x", "111122223333_CloudTrail_eu-west-1_x"}, same, keyFindings{}},
		"no key":                      {[]string{"", "a"}, same, keyFindings{missing: 1}},
		"few keys in a window, twice": {slices.Concat(numbered(30, "k%d"), slices.Repeat([]string{"k0"}, 970), numbered(30, "other%d")), same, keyFindings{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got := lookAll(newKeyWatch(key.Full), test.keys, test.account)
			if got.missing != test.want.missing || got.outside != 0 || !slices.Equal(got.first, test.want.first) {
				t.Errorf("found %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestOddKeysAreReportedOnce(t *testing.T) {
	w := newKeyWatch(key.Full)
	keys := []string{"111122223333_CloudTrail_eu-west-1"}
	account := func(int) string { return "a" }
	if first := lookAll(w, keys, account).first; len(first) != 1 {
		t.Errorf("first: %v", first)
	}
	if again := lookAll(w, keys, account).first; len(again) != 0 {
		t.Errorf("again: %v", again)
	}
}

// MD5("1") is c4ca4238… and MD5("3") is eccbc87e…, both in the upper half; MD5("6")
// is 1679091c…, in the lower.
func TestKeysOutsideTheShard(t *testing.T) {
	lower := newKeyWatch(key.Range{First: 0, Last: math.MaxUint64 / 2})
	if got := lookAll(lower, []string{"1", "3", "6"}, func(int) string { return "a" }); got.outside != 2 {
		t.Errorf("%d keys outside of the lower half, want 2", got.outside)
	}
}

func TestShareOfHashKeys(t *testing.T) {
	tests := map[[2]string]float64{
		{"0", "340282366920938463463374607431768211455"}:                                      1,
		{"0", "170141183460469231731687303715884105727"}:                                      0.5,
		{"85070591730234615865843651857942052864", "170141183460469231731687303715884105727"}: 0.25,
	}
	for hashes, want := range tests {
		if got := share(hashes); got != want {
			t.Errorf("share of %v: %v, want %v", hashes, got, want)
		}
	}
}
