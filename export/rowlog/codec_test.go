package rowlog

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// record has every kind of field, required and optional.
type record struct {
	Name   string            `parquet:"name"`
	Label  *string           `parquet:"label,dict"`
	Small  int32             `parquet:"small"`
	Count  int64             `parquet:"count"`
	Seen   *int64            `parquet:"seen"`
	At     int64             `parquet:"at,timestamp"`
	Until  *int64            `parquet:"until,timestamp"`
	On     bool              `parquet:"on"`
	Maybe  *bool             `parquet:"maybe"`
	Score  float64           `parquet:"score"`
	Limit  *float64          `parquet:"limit"`
	Tags   []string          `parquet:"tags,list"`
	Keys   []string          `parquet:"keys,list,optional"`
	Parts  []part            `parquet:"parts,list"`
	Points []*part           `parquet:"points,list,optional"`
	Attrs  map[string]string `parquet:"attrs"`
	Extra  map[string]string `parquet:"extra,optional"`
	Deep   *deep             `parquet:"deep"`
}

type part struct {
	Kind string  `parquet:"kind"`
	ARN  *string `parquet:"arn"`
}

type deep struct {
	Part *part  `parquet:"part"`
	Text string `parquet:"text"`
}

func genText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(""), rapid.String(), rapid.StringN(120, 140, -1))
}

func optional[T any](t *rapid.T, g *rapid.Generator[T]) *T {
	return rapid.Ptr(g, true).Draw(t, "optional")
}

func genPart(t *rapid.T) part {
	return part{Kind: genText().Draw(t, "kind"), ARN: optional(t, genText())}
}

// slices and maps are NULL, empty or full.
func genSlice[T any](t *rapid.T, g *rapid.Generator[T]) []T {
	if rapid.Bool().Draw(t, "null") {
		return nil
	}
	return slices.Concat([]T{}, rapid.SliceOfN(g, 0, 4).Draw(t, "items"))
}

func genMap(t *rapid.T) map[string]string {
	if rapid.Bool().Draw(t, "null") {
		return nil
	}
	return rapid.MapOfN(genText(), genText(), 0, 4).Draw(t, "map")
}

func genRecord() *rapid.Generator[record] {
	return rapid.Custom(func(t *rapid.T) record {
		r := record{
			Name: genText().Draw(t, "name"), Label: optional(t, genText()), Small: rapid.Int32().Draw(t, "small"),
			Count: rapid.Int64().Draw(t, "count"), Seen: optional(t, rapid.Int64()), At: rapid.Int64().Draw(t, "at"),
			Until: optional(t, rapid.Int64()), On: rapid.Bool().Draw(t, "on"), Maybe: optional(t, rapid.Bool()),
			Score: rapid.Float64().Draw(t, "score"), Limit: optional(t, rapid.Float64()),
			Tags: genSlice(t, genText()), Keys: genSlice(t, genText()), Parts: genSlice(t, rapid.Custom(genPart)),
			Points: genSlice(t, rapid.Ptr(rapid.Custom(genPart), true)), Attrs: genMap(t), Extra: genMap(t),
		}
		if rapid.Bool().Draw(t, "deep") {
			r.Deep = &deep{Part: rapid.Ptr(rapid.Custom(genPart), true).Draw(t, "part"), Text: genText().Draw(t, "text")}
		}
		return r
	})
}

// sameRow makes nil and empty equal in the required columns alone.
var sameRow = cmp.FilterPath(func(p cmp.Path) bool {
	switch p.Last().String() {
	case ".Tags", ".Parts", ".Attrs":
		return true
	}
	return false
}, cmpopts.EquateEmpty())

func newCodec(t testing.TB, first ...string) *Codec[record] {
	c, err := NewCodec[record](first...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCodecKeepsEveryField(t *testing.T) {
	codec := newCodec(t, "count", "label")
	rapid.Check(t, func(rt *rapid.T) {
		want := genRecord().Draw(rt, "row")
		data := codec.Append(nil, &want)
		var got record
		if err := codec.Decode(data, &got, &Arena{}); err != nil {
			rt.Fatal(err)
		}
		if d := cmp.Diff(want, got, sameRow); d != "" {
			rt.Fatalf("row differs (-put +got):\n%s", d)
		}
		if again := codec.Append(nil, &got); string(again) != string(data) {
			rt.Fatalf("the same row gave other bytes: %x, then %x", data, again)
		}
	})
}

// A row that a binary without the newest columns wrote reads as NULL there.
func TestDecodeOlderRow(t *testing.T) {
	type older struct {
		Name  string  `parquet:"name"`
		Label *string `parquet:"label,dict"`
	}
	c, err := NewCodec[older]()
	if err != nil {
		t.Fatal(err)
	}
	label := "x"
	data := c.Append(nil, &older{Name: "a", Label: &label})
	var got record
	if err := newCodec(t).Decode(data, &got, &Arena{}); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(record{Name: "a", Label: &label}, got); d != "" {
		t.Errorf("older row (-want +got):\n%s", d)
	}
}

// A row cut anywhere but between two fields is refused, and never panics.
func TestDecodeCutRow(t *testing.T) {
	codec := newCodec(t)
	rapid.Check(t, func(rt *rapid.T) {
		row := genRecord().Draw(rt, "row")
		data := codec.Append(nil, &row)
		cut := rapid.IntRange(0, len(data)-1).Draw(rt, "cut")
		var got record
		err := codec.Decode(data[:cut], &got, &Arena{})
		if err != nil && !errors.Is(err, ErrCorrupt) {
			rt.Fatalf("error %v is not ErrCorrupt", err)
		}
	})
}

func TestAppendDoesNotAllocate(t *testing.T) {
	codec := newCodec(t)
	label, seen := "label", int64(7)
	row := record{Name: "name", Label: &label, Seen: &seen, Tags: []string{"a", "b"}, Deep: &deep{Text: "t"}, Parts: []part{{Kind: "k"}}}
	buf := make([]byte, 0, 1<<10)
	if n := testing.AllocsPerRun(100, func() { buf = codec.Append(buf[:0], &row) }); n != 0 {
		t.Errorf("Append allocated %v times", n)
	}
}

func TestArenaPointersStay(t *testing.T) {
	var a Arena
	texts, ints := make([]*string, 1000), make([]*int64, 1000)
	for i := range texts {
		texts[i], ints[i] = a.String(string(rune('a'+i%26))), a.Int64(int64(i))
	}
	for i := range texts {
		if *texts[i] != string(rune('a'+i%26)) || *ints[i] != int64(i) {
			t.Fatalf("value %d changed to %q, %d", i, *texts[i], *ints[i])
		}
	}
	if !*a.Bool(true) || *a.Bool(false) || *a.Double(1.5) != 1.5 {
		t.Error("wrong bool or double")
	}
	a.Reset()
	if s := a.String("new"); *s != "new" {
		t.Error("an arena is of no use after Reset")
	}
}

func FuzzDecode(f *testing.F) {
	codec := newCodec(f)
	label := "l"
	f.Add(codec.Append(nil, &record{Name: "n", Label: &label, Keys: []string{"k"}, Extra: map[string]string{"a": "b"}}))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		var got record
		if err := codec.Decode(data, &got, &Arena{}); err != nil && !errors.Is(err, ErrCorrupt) {
			t.Errorf("error %v is not ErrCorrupt", err)
		}
	})
}
