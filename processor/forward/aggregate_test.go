package forward

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

// TestAggregatesDecode: the decoder, which was written from the format's
// description alone, finds what went in, under its key.
func TestAggregatesDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.StringMatching(`[0-9]{12}|.{1,50}`).Draw(t, "key")
		sizes := rapid.SliceOfN(rapid.IntRange(0, 70_000), 1, 20).Draw(t, "sizes")
		var want []string
		var a *aggregate
		for i, size := range sizes {
			piece := []byte(record(fmt.Sprint(i), "1", size))
			if a == nil {
				a = newAggregate(key, len(piece))
				if got, want := overhead(key, len(piece))+len(piece), a.sizeWith(len(piece)); got != want {
					t.Fatalf("overhead says %d bytes, the aggregate %d", got, want)
				}
			}
			promised := a.sizeWith(len(piece))
			if a.add(piece); a.size() != promised {
				t.Fatalf("%d bytes, promised %d", a.size(), promised)
			}
			want = append(want, string(piece))
		}
		size := a.size()
		data := a.close()
		if len(data) != size {
			t.Fatalf("%d bytes, promised %d", len(data), size)
		}
		var d cloudtrail.Decoder
		r := d.Decode(data)
		var got []string
		for i := range r.Events {
			got = append(got, string(r.Events[i].Raw))
			if r.Keys[i] != key {
				t.Fatalf("key %q, want %q", r.Keys[i], key)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" || len(r.Rejects) > 0 {
			t.Fatalf("%d rejects; pieces (-in +out):\n%s", len(r.Rejects), diff)
		}
	})
}

// TestAggregateBytes holds the encoder against an aggregate that was written
// down by hand from the message definition.
func TestAggregateBytes(t *testing.T) {
	a := newAggregate("key", 2)
	a.add([]byte("ab"))
	a.add([]byte("c"))
	got := a.close()
	want := "\xf3\x89\x9a\xc2" + // magic
		"\x0a\x03key" + // 1: partition key table
		"\x1a\x06\x08\x00\x1a\x02ab" + // 3: record { 1: index 0, 3: data }
		"\x1a\x05\x08\x00\x1a\x01c" +
		// md5sum of the message: printf '\x0a\x03key\x1a\x06\x08\x00\x1a\x02ab\x1a\x05\x08\x00\x1a\x01c' | md5sum
		"\xd9\x28\x92\xad\x38\x4e\x61\xd9\x4f\x89\x5d\xf9\x2c\xa1\x7e\x19"
	if diff := cmp.Diff([]byte(want), got); diff != "" {
		t.Errorf("aggregate (-want +got):\n%s", diff)
	}
}

// BenchmarkAdd is the way of an event from the decoder into requests.
func BenchmarkAdd(b *testing.B) {
	for _, accounts := range []int{1, 50, 5000} {
		b.Run(fmt.Sprintf("accounts=%d", accounts), func(b *testing.B) {
			k := &target{t: b}
			s := k.stream(nil)
			keys := make([]string, accounts)
			for i := range keys {
				keys[i] = fmt.Sprintf("%012d", i)
			}
			piece := []byte(record("00000000-0000-4000-8000-000000000000", "111122223333", 1200))
			b.SetBytes(int64(len(piece)))
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := s.add(b.Context(), keys[i%accounts], piece); err != nil {
					b.Fatal(err)
				}
				i++
				k.records = k.records[:0]
			}
		})
	}
}
