package manifest

import (
	"cmp"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var noon = time.Date(2024, 3, 1, 12, 0, 0, 0, time.UTC)

// full has something in every member.
func full() *Manifest {
	hash := Hash(0x0123456789abcdef)
	extent := Extent{First: "5", Last: "6", From: []Reach{{Share: 0.25, Watermark: noon}}, To: noon, Counts: Counts{In: 1, Rows: 1},
		FirstEvent: noon, LastEvent: noon, FirstArrival: noon, LastArrival: noon, Gaps: []Gap{{From: "1", To: "2", Reason: "retention"}}, Since: noon}
	return &Manifest{
		Format: Format, App: "cairn", Stream: "trail", Shard: "shardId-000000000001", HashRange: [2]string{"0", "99"},
		Source: "arn:aws:kinesis:eu-central-1:123456789012:stream/trail 2024-01-01", Parents: []Parent{{"shardId-000000000000", 4}},
		Epoch: 3, Writer: "00112233aabbccdd", Ckpt: 7, Seq: "49590338271490256608559692538361571095921575989136588898", Arrival: noon, Watermark: noon.Add(-time.Minute), Newest: noon,
		Counts:   Counts{In: 10, Rows: 5, Duplicates: 3, Control: 1, Quarantined: 1, Late: 2, Findings: 1, Alerts: 1, Changes: 2, Bytes: 900},
		Segments: []Segment{{Key: "s", Kind: "delta", From: 7, To: 7, Lo: "0", Hi: "9", X: WholeIDs, Rows: 1, Bytes: 2, SHA256: "aa"}}, StateRows: 4, StateHash: &hash,
		Dedup:   []Dedup{{Key: "d", Hours: []DedupHour{{Hour: 5, IDs: 6, Offset: 7}}, Bytes: 8, SHA256: "bb"}},
		RowLogs: []RowLog{{Key: "r", Ckpt: 7, At: noon, Bytes: 9, SHA256: "cc", Tables: map[string]TableSize{"events": {1, 2}}}},
		Cut:     map[string]Mark{"events": {5, 60.5}}, Rolled: map[string]Mark{"events": {4, 60.5}},
		Pending:   []Pending{{Stage: "_stage/1", Final: "events/1", Table: "events", Rows: 1, Bytes: 2, SHA256: "dd"}},
		Snapshots: []Snapshots{{Lo: "0", Hi: "99", Through: noon}},
		Outbox:    3,
		Open:      extent, Rolling: &extent,
		Reports: []Report{{Table: "resources", Snapshot: "2026-03-01T12-00", Share: 0.5, Ckpt: 7, Epoch: 2, Extent: extent, Rows: 1, Bytes: 2, Files: []string{"f"}}},
		Gaps:    []Gap{{From: "1", To: "2", FromTime: noon, ToTime: noon, Reason: "retention"}},
		Config:  Config{Version: "v1.2.3", Rules: "ee"}, Committed: noon,
	}
}

// TestFormat1 reads a manifest as format 1 writes it. When this fails, the
// format has changed and needs a new number.
func TestFormat1(t *testing.T) {
	const text = `{"format":1,"app":"cairn","stream":"trail","shard":"s-1","hashRange":["0","99"],"source":"x",` +
		`"epoch":3,"writer":"00112233aabbccdd","ckpt":7,"seq":"12","arrival":"2024-03-01T12:00:00Z",` +
		`"counts":{"in":2,"rows":1,"duplicates":1,"control":0,"quarantined":0,"late":0,"findings":0},` +
		`"segments":[{"key":"k","kind":"base","from":0,"to":7,"x":"all","rows":3,"bytes":4,"sha256":"aa"}],` +
		`"stateRows":3,"stateHash":"00000000000000ff","cut":{"events":{"ckpt":7,"bytesPerRow":1.5}},` +
		`"closed":false,"config":{"version":"v1","rules":"r"}}`
	m, err := Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	hash := Hash(255)
	want := &Manifest{Format: 1, App: "cairn", Stream: "trail", Shard: "s-1", HashRange: [2]string{"0", "99"}, Source: "x",
		Epoch: 3, Writer: "00112233aabbccdd", Ckpt: 7, Seq: "12", Arrival: noon, Counts: Counts{In: 2, Rows: 1, Duplicates: 1},
		Segments:  []Segment{{Key: "k", Kind: "base", To: 7, X: "all", Rows: 3, Bytes: 4, SHA256: "aa"}},
		StateRows: 3, StateHash: &hash, Cut: map[string]Mark{"events": {7, 1.5}}, Config: Config{Version: "v1", Rules: "r"}}
	if diff := gocmp.Diff(want, m); diff != "" {
		t.Error(diff)
	}
}

func TestRoundTrip(t *testing.T) {
	for name, m := range map[string]*Manifest{"full": full(), "empty": {Format: Format}} {
		data, err := Encode(m)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if diff := gocmp.Diff(m, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		again, err := Encode(got)
		if err != nil || string(again) != string(data) {
			t.Errorf("%s: other bytes the second time: %s\n%s", name, data, again)
		}
	}
}

// TestFullIsFull keeps full up with the type, so that the tests that use it
// speak of every member.
func TestFullIsFull(t *testing.T) {
	v := reflect.ValueOf(full()).Elem()
	for i := range v.NumField() {
		name := v.Type().Field(i).Name
		if v.Field(i).IsZero() && name != "Closed" {
			t.Errorf("full has no %s", name)
		}
	}
}

// TestCloneSharesNothing walks a manifest and its clone side by side.
func TestCloneSharesNothing(t *testing.T) {
	m := full()
	c := m.Clone()
	if diff := gocmp.Diff(m, c); diff != "" {
		t.Error(diff)
	}
	noSharing(t, "manifest", reflect.ValueOf(*m), reflect.ValueOf(*c))
}

func noSharing(t *testing.T, path string, a, b reflect.Value) {
	if a.Type() == reflect.TypeFor[time.Time]() {
		return
	}
	switch a.Kind() {
	case reflect.Pointer, reflect.Map:
		if a.Pointer() == b.Pointer() && !a.IsNil() {
			t.Errorf("%s is shared", path)
		}
	case reflect.Slice:
		if a.Pointer() == b.Pointer() && a.Len() > 0 {
			t.Errorf("%s is shared", path)
		}
		for i := range a.Len() {
			noSharing(t, path+"[]", a.Index(i), b.Index(i))
		}
	case reflect.Struct:
		for i := range a.NumField() {
			noSharing(t, path+"."+a.Type().Field(i).Name, a.Field(i), b.Field(i))
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	for text, want := range map[string]error{
		`{"format":2,"config":{"version":"v9.9.9"},"new":[]}`: ErrFormat,
		`{"format":0}`:                                ErrInvalid,
		`{}`:                                          ErrInvalid,
		`{"format":1,"unknown":1}`:                    ErrInvalid,
		`{"format":1,"ckpt":"7"}`:                     ErrInvalid,
		`{"format":1,"ckpt":1} junk`:                  ErrInvalid,
		`{"format":1,"ckpt":1,"ckpt":2}`:              ErrInvalid,
		`{"format":1,"stateHash":"00"}`:               ErrInvalid,
		`{"format":1,"stateHash":"000000000000000g"}`: ErrInvalid,
		``:  ErrInvalid,
		`[`: ErrInvalid,
		`{"format":1,"source":"` + strings.Repeat("x", MaxBytes) + `"}`: ErrInvalid,
	} {
		m, err := Decode([]byte(text))
		if !errors.Is(err, want) {
			t.Errorf("%.60s: %+v, %v; want %v", text, m, err, want)
		}
	}
	_, err := Decode([]byte(`{"format":2,"config":{"version":"v9.9.9"}}`))
	for _, words := range []string{"format 2", "up to 1", "v9.9.9"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("%v: does not say %q", err, words)
		}
	}
}

func TestEncodeRefuses(t *testing.T) {
	big := full()
	big.Source = strings.Repeat("x", MaxBytes)
	for name, m := range map[string]*Manifest{"too large": big, "no format": {}} {
		if _, err := Encode(m); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCheckIdentity(t *testing.T) {
	m := full()
	if err := m.CheckIdentity(Identity{}); err != nil {
		t.Errorf("nothing expected: %v", err)
	}
	if err := m.CheckIdentity(Identity{App: "cairn", Stream: "trail", Shard: m.Shard, HashRange: m.HashRange, Source: m.Source}); err != nil {
		t.Errorf("all equal: %v", err)
	}
	for words, want := range map[string]Identity{
		`app is "cairn", expected "other"`: {App: "other"}, "stream": {Stream: "other"}, "shard": {Shard: "other"},
		"hash range": {HashRange: [2]string{"1", "99"}}, "end of the hash range": {HashRange: [2]string{"0", "98"}}, "source": {Source: "other"},
	} {
		if err := m.CheckIdentity(want); !errors.Is(err, ErrIdentity) || !strings.Contains(err.Error(), words) {
			t.Errorf("%+v: %v", want, err)
		}
	}
}

// TestCheckNext changes one thing of a good next commit at a time.
func TestCheckNext(t *testing.T) {
	m := full()
	next := func(change func(*Manifest)) error {
		n := m.Clone()
		n.Ckpt++
		change(n)
		return m.CheckNext(n)
	}
	if err := next(func(*Manifest) {}); err != nil {
		t.Fatalf("a good commit: %v", err)
	}
	for words, change := range map[string]func(*Manifest){
		"checkpoint falls":               func(n *Manifest) { n.Ckpt = 6 },
		"second commit of checkpoint 7":  func(n *Manifest) { n.Ckpt = 7 },
		"epoch falls":                    func(n *Manifest) { n.Epoch-- },
		"sequence number falls":          func(n *Manifest) { n.Seq = "9" + n.Seq[2:] }, // one digit less
		"watermark falls":                func(n *Manifest) { n.Watermark = n.Watermark.Add(-1) },
		"cut of table events falls":      func(n *Manifest) { n.Cut = map[string]Mark{"events": {Ckpt: 4}} },
		"rolled of table events falls":   func(n *Manifest) { n.Rolled = nil },
		"rolled up to 9 and cut up to 5": func(n *Manifest) { n.Rolled["events"] = Mark{Ckpt: 9} },
		"in 10 is not rows 4":            func(n *Manifest) { n.Counts.Rows-- },
		"closed with 1 files to publish": func(n *Manifest) { n.Closed = true },
		"without app, stream or shard":   func(n *Manifest) { n.App = "" },
		`its stream is "other"`:          func(n *Manifest) { n.Stream = "other" },
		`end of the hash range is "98"`:  func(n *Manifest) { n.HashRange[1] = "98" },
	} {
		err := next(change)
		if err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%v, want %q", err, words)
		}
	}
	closed := m.Clone()
	closed.Closed, closed.Pending, closed.RowLogs = true, nil, nil
	if err := m.CheckNext(closed); err != nil {
		t.Errorf("closing at the same checkpoint: %v", err)
	}
	after := closed.Clone()
	after.Ckpt++
	if err := closed.CheckNext(after); err == nil {
		t.Error("a commit after closing")
	}
}

// TestSequenceOrderIsThatOfNumbers: a comparison as text would put 10 before 9.
func TestSequenceOrderIsThatOfNumbers(t *testing.T) {
	number := rapid.Custom(func(t *rapid.T) *big.Int {
		digits := rapid.StringMatching(`[1-9][0-9]{0,128}|0`).Draw(t, "digits")
		n, _ := new(big.Int).SetString(digits, 10)
		return n
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := number.Draw(t, "a"), number.Draw(t, "b")
		if rapid.Bool().Draw(t, "near") {
			b = new(big.Int).Add(a, big.NewInt(1))
		}
		if got, want := cmp.Compare(CompareSeq(a.String(), b.String()), 0), a.Cmp(b); got != want {
			t.Fatalf("%v against %v: %d, want %d", a, b, got, want)
		}
		if CompareSeq("", a.String()) != -1 {
			t.Fatalf("the beginning is not before %v", a)
		}
	})
}

func TestKeys(t *testing.T) {
	if got, want := Key("cairn", "trail", "shardId-000000000000"), "cairn/trail/shardId-000000000000/MANIFEST"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func FuzzDecode(f *testing.F) {
	data, err := Encode(full())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"format":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Decode(data)
		if err != nil {
			return
		}
		again, err := Encode(m)
		if err != nil {
			// Indentation aside, only times that JSON cannot hold fail.
			t.Skip(err)
		}
		n, err := Decode(again)
		if err != nil {
			t.Fatalf("%s: %v", again, err)
		}
		if third, err := Encode(n); err != nil || string(third) != string(again) {
			t.Fatalf("%s, then %s %v", again, third, err)
		}
	})
}
