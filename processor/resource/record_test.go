package resource

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// drawChange makes a change whose content is a function of its version, as the changes of real events are: few names, few
// times, so that collisions of every kind occur.
func drawChange() *rapid.Generator[*Change] {
	return rapid.Custom(func(t *rapid.T) *Change {
		effect := Effect(rapid.IntRange(int(Create), int(Seed)).Draw(t, "effect"))
		c := &Change{
			Key: Key{"111122223333", "eu-west-1", "AWS::Test::Thing", "a"}, Effect: effect, EventName: "Do" + effect.String(),
			Version: Version{1_500_000_000_000 + 1000*rapid.Int64Range(0, 6).Draw(t, "second"), effect.Rank(), drawID(t)},
			Actor: Actor{Root: rapid.SampledFrom([]string{"", "ann", "bob"}).Draw(t, "actor"),
				Via: rapid.SampledFrom([]string{"", "autoscaling.amazonaws.com"}).Draw(t, "via")},
		}
		c.Alive = effect == Create || effect == Seed || effect != Delete && rapid.Bool().Draw(t, "alive")
		c.State = rapid.SampledFrom([]string{"", StateActive, StateStopped, StateCreating}).Draw(t, "state")
		c.ARN = rapid.SampledFrom([]string{"", "arn:a", "arn:b"}).Draw(t, "arn")
		c.Set, c.Unset = drawAttrs(t, "set"), drawNames(t, "unset")
		c.Tags, c.Untag = drawAttrs(t, "tags"), drawNames(t, "untag")
		c.ReplaceTags = rapid.IntRange(0, 4).Draw(t, "retag") == 0
		c.Add, c.Remove = drawRelations(t, "add"), drawRelations(t, "remove")
		if rapid.IntRange(0, 4).Draw(t, "replace") == 0 {
			c.Replace = []string{"in net"}
		}
		return c
	})
}

func drawID(t *rapid.T) string {
	return rapid.SampledFrom([]string{"e1", "e2", "5d6b1f2e-0a0b-4c0d-8e0f-001122334455", "5D6B1F2E-0a0b-4c0d-8e0f-001122334455", ""}).Draw(t, "id")
}

func drawAttrs(t *rapid.T, label string) (attrs []Attr) {
	for _, name := range drawNames(t, label) {
		attrs = append(attrs, Attr{name, rapid.SampledFrom([]string{"", "x", "y"}).Draw(t, label+" value")})
	}
	return attrs
}

func drawNames(t *rapid.T, label string) []string {
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c"}), 0, 3, rapid.ID).Draw(t, label)
	slices.Sort(names)
	return names
}

func drawRelations(t *rapid.T, label string) (relations []Relation) {
	for _, name := range drawNames(t, label) {
		rel := Relation{Kind: rapid.SampledFrom([]string{"in", "uses"}).Draw(t, label+" kind"), Type: "net", Key: name}
		if rapid.Bool().Draw(t, label+" detailed") {
			rel.Detail = []Attr{{"device", rapid.SampledFrom([]string{"sda", "sdb"}).Draw(t, label+" device")}}
		}
		relations = append(relations, rel)
	}
	return relations
}

func fold(changes []*Change) *Record {
	var r Record
	for _, c := range changes {
		r.Apply(c)
	}
	return &r
}

func encode(t testing.TB, r *Record) []byte {
	t.Helper()
	b, err := r.AppendBinary(nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type failer interface{ Fatalf(string, ...any) }

func mustEqual(t failer, what string, a, b *Record) {
	x, _ := a.MarshalBinary()
	y, _ := b.MarshalBinary()
	if !bytes.Equal(x, y) {
		t.Fatalf("%s:\n%+v\n%+v", what, a, b)
	}
}

func TestOrderAndRepetitionDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		changes := rapid.SliceOfN(drawChange(), 0, 12).Draw(t, "changes")
		want := fold(changes)
		again := slices.Concat(changes, changes)
		mustEqual(t, "shuffled and repeated", want, fold(rapid.Permutation(again).Draw(t, "order")))
	})
}

func TestMergeIsAJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) *Record { return fold(rapid.SliceOfN(drawChange(), 0, 6).Draw(t, label)) }
		a, b, c := draw("a"), draw("b"), draw("c")
		mustEqual(t, "commutative", Merge(a, b), Merge(b, a))
		mustEqual(t, "associative", Merge(Merge(a, b), c), Merge(a, Merge(b, c)))
		mustEqual(t, "idempotent", a, Merge(a, a))
		mustEqual(t, "empty is neutral", a, Merge(a, &Record{}))
	})
}

func TestSplitHistoryMergesToTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		changes := rapid.SliceOfN(drawChange(), 0, 12).Draw(t, "changes")
		var parts [3][]*Change
		for _, c := range changes {
			i := rapid.IntRange(0, 2).Draw(t, "shard")
			parts[i] = append(parts[i], c)
		}
		mustEqual(t, "split", fold(changes), Merge(Merge(fold(parts[0]), fold(parts[1])), fold(parts[2])))
	})
}

func TestMergeLeavesItsArgumentsAlone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := fold(rapid.SliceOfN(drawChange(), 0, 6).Draw(t, "a"))
		b := fold(rapid.SliceOfN(drawChange(), 0, 6).Draw(t, "b"))
		before := []*Record{a.clone(), b.clone()}
		Merge(a, b)
		mustEqual(t, "a", before[0], a)
		mustEqual(t, "b", before[1], b)
	})
}

func TestEncodingRoundTrips(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := fold(rapid.SliceOfN(drawChange(), 0, 12).Draw(t, "changes"))
		data, _ := r.MarshalBinary()
		back, err := DecodeRecord(data)
		if err != nil {
			t.Fatalf("decode: %v", err)
		}
		mustEqual(t, "round trip", r, back)
		for n := range len(data) {
			if _, err := DecodeRecord(data[:n]); err == nil {
				t.Fatalf("the first %d of %d bytes decode", n, len(data))
			}
		}
	})
}

func TestDecodeNeverPanics(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data, _ := fold(rapid.SliceOfN(drawChange(), 1, 4).Draw(t, "changes")).MarshalBinary()
		i := rapid.IntRange(1, len(data)-1).Draw(t, "place")
		data[i] ^= rapid.Byte().Draw(t, "flip")
		if r, err := DecodeRecord(data); err == nil {
			r.Apply(&Change{Effect: Update, Version: Version{Time: 1}})
		}
	})
}

// visible is a second, naive reading of the law: it looks at the whole list of changes and uses no register.
func visible(changes []*Change) (attrs map[string]string, tags map[string]string) {
	var born, died, lives, retagged Version
	for _, c := range changes {
		switch {
		case c.Effect == Create:
			born = later(born, c.Version)
		case c.Effect == Delete:
			died = later(died, c.Version)
		}
		if c.Alive {
			lives = later(lives, c.Version)
		}
		if c.ReplaceTags {
			retagged = later(retagged, c.Version)
		}
	}
	since := later(born, died)
	if lives.Less(died) {
		since = born
	}
	attrs, tags = map[string]string{}, map[string]string{}
	inOrder := slices.SortedStableFunc(slices.Values(changes), func(a, b *Change) int { return a.Version.Compare(b.Version) })
	for _, c := range inOrder {
		if c.Version.Less(since) {
			continue
		}
		for _, name := range c.Unset {
			delete(attrs, name)
		}
		for _, a := range c.Set {
			attrs[a.Name] = a.Value
		}
		if c.Version.Less(retagged) {
			continue
		}
		for _, name := range c.Untag {
			delete(tags, name)
		}
		for _, a := range c.Tags {
			tags[a.Name] = a.Value
		}
	}
	return attrs, tags
}

func shown(values []value, since Version) map[string]string {
	m := map[string]string{}
	for _, v := range values {
		if v.present && !v.version.Less(since) {
			m[v.name] = v.text
		}
	}
	return m
}

func TestReadingEqualsReplay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		changes := rapid.SliceOfNDistinct(drawChange(), 0, 12, func(c *Change) Version { return c.Version }).Draw(t, "changes")
		T := 1_500_000_000_000 + 1000*rapid.Int64Range(0, 6).Draw(t, "as of")
		upTo := slices.DeleteFunc(slices.Clone(changes), func(c *Change) bool { return c.Version.Time > T })
		r := fold(upTo)
		attrs, tags := visible(upTo)
		if diff := cmp.Diff(attrs, shown(r.fields, r.since())); diff != "" {
			t.Fatalf("attributes as of %d (-replay +registers):\n%s", T, diff)
		}
		if diff := cmp.Diff(tags, shown(r.tags, later(r.since(), r.retagged))); diff != "" {
			t.Fatalf("tags as of %d (-replay +registers):\n%s", T, diff)
		}
	})
}

func at(second int64, effect Effect, id string) *Change {
	alive := effect == Create || effect == Seed
	return &Change{Effect: effect, Version: Version{second * 1000, effect.Rank(), id}, Alive: alive, EventName: effect.String()}
}

func TestChangeInTheSecondOfTheCreateIsKept(t *testing.T) {
	tag := at(5, Tag, "0-sorts-first")
	tag.Tags = []Attr{{"Name", "web"}}
	r := fold([]*Change{tag, at(5, Create, "z")})
	if got := shown(r.tags, r.since()); got["Name"] != "web" {
		t.Errorf("tags %v: the rank did not put the create first", got)
	}
}

func TestTagOnTerminatedInstanceDoesNotReviveIt(t *testing.T) {
	tag := at(9, Tag, "c")
	tag.Tags = []Attr{{"Name", "web"}}
	if r := fold([]*Change{at(1, Create, "a"), at(5, Delete, "b"), tag}); !r.Gone() {
		t.Error("a tag brought an instance back")
	}
	tag.Alive = true // a type whose names are used again
	if r := fold([]*Change{at(1, Create, "a"), at(5, Delete, "b"), tag}); r.Gone() || r.Created() {
		t.Errorf("gone %v, created %v: a later change of a reusable name must prove a new life of unknown creation", r.Gone(), r.Created())
	}
}

func TestNameUsedAgainStartsClean(t *testing.T) {
	first, second := at(1, Create, "a"), at(9, Create, "c")
	first.Set = []Attr{{"runtime", "python2.7"}, {"timeout", "3"}}
	second.Set = []Attr{{"runtime", "go"}}
	r := fold([]*Change{second, at(5, Delete, "b"), first})
	if diff := cmp.Diff(map[string]string{"runtime": "go"}, shown(r.fields, r.since())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestBoundsKeepTheNewest(t *testing.T) {
	var changes []*Change
	for i := range maxMembers + 50 {
		c := at(int64(i+1), Attach, fmt.Sprintf("id%05d", i))
		c.Add = []Relation{{Kind: "uses", Type: "t", Key: fmt.Sprintf("k%d", i)}}
		changes = append(changes, c)
	}
	r := fold(changes)
	slices.Reverse(changes)
	mustEqual(t, "reverse", r, fold(changes))
	if len(r.members) != maxMembers || len(r.events) != maxEvents {
		t.Fatalf("%d members, %d events", len(r.members), len(r.events))
	}
	if _, found := slices.BinarySearchFunc(r.members, Relation{"uses", "t", "k49", nil}, func(m member, rel Relation) int { return m.compare(rel) }); found {
		t.Error("an old member stayed")
	}
	if out := r.Apply(changes[len(changes)-1]); out.Dropped != 1 {
		t.Errorf("dropped %d, want 1: what falls out must be counted", out.Dropped)
	}
}

func TestOutcome(t *testing.T) {
	var r Record
	create := at(1, Create, "a")
	create.Set, create.Add = []Attr{{"size", "1"}}, []Relation{{Kind: "in", Type: "net", Key: "n1"}}
	update := at(3, Update, "c")
	update.Set, update.Replace, update.Add = []Attr{{"size", "2"}}, []string{"in net"}, []Relation{{Kind: "in", Type: "net", Key: "n2"}}
	late := at(2, Update, "b")
	late.Set = []Attr{{"size", "9"}}
	want := []Outcome{{}, {Before: []Attr{{"size", "1"}}, Replaced: []Relation{{Kind: "in", Type: "net", Key: "n1"}}}, {Stale: true}}
	var got []Outcome
	for _, c := range []*Change{create, update, late} {
		got = append(got, r.Apply(c))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestExpired(t *testing.T) {
	r := fold([]*Change{at(1, Create, "a"), at(100, Delete, "b")})
	end := time.Unix(100, 0)
	if r.Expired(end.Add(time.Hour), time.Hour) || !r.Expired(end.Add(time.Hour+time.Millisecond), time.Hour) {
		t.Error("a tombstone must live exactly as long as asked")
	}
	if fold([]*Change{at(1, Create, "a")}).Expired(end.Add(1e6*time.Hour), time.Hour) {
		t.Error("a living resource expired")
	}
}

func TestVersionTextSortsLikeVersions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func() Version {
			return Version{rapid.Int64Range(0, 9e12).Draw(t, "ms"), Rank(rapid.IntRange(0, 2).Draw(t, "rank")), drawID(t)}
		}
		a, b := draw(), draw()
		if (a.String() < b.String()) != a.Less(b) {
			t.Fatalf("%s %s", a, b)
		}
	})
}

func TestEncodeUsesFewBytes(t *testing.T) {
	c := at(1_500_000_000, Create, "5d6b1f2e-0a0b-4c0d-8e0f-001122334455")
	for i := range 20 {
		c.Set = append(c.Set, Attr{fmt.Sprintf("attribute_%02d", i), "value"})
	}
	// 20 attributes of 18 bytes of text: with the version in each register they would take 20*26 bytes more.
	if n := len(encode(t, fold([]*Change{c}))); n > 700 {
		t.Errorf("%d bytes", n)
	}
}
