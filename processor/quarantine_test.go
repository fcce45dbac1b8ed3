package processor

import (
	"bytes"
	"errors"
	"testing"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state/blob"
)

func TestQuarantineKeepsAllThatIsNeededToTryAgain(t *testing.T) {
	var q quarantine
	small := []byte("\x00not json\xff")
	large := bytes.Repeat([]byte("x"), rawLimit+1)
	q.add("shardId-1", &Item{Sequence: "42", Ordinal: 3, Arrival: noon,
		Reject: &cloudtrail.Reject{Reason: "not json", Err: errors.New("byte 0"), Raw: small, File: "a.json", Record: 4}})
	q.add("shardId-1", &Item{Sequence: "43", Arrival: noon, Reject: &cloudtrail.Reject{Reason: "bomb", Raw: large}})
	packed, err := q.take()
	if err != nil {
		t.Fatal(err)
	}
	lake, err := blob.Open(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lake.Put(t.Context(), "_dlq/shardId-1-0000000001.ndjson.zst", packed); err != nil {
		t.Fatal(err)
	}
	var got []Quarantined
	for line, err := range ReadQuarantine(t.Context(), lake) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, line)
	}
	if len(got) != 2 {
		t.Fatalf("%d lines for two pieces", len(got))
	}
	if g := got[0]; !bytes.Equal(g.Raw, small) || g.Reason != "not json" || g.Error != "byte 0" || g.File != "a.json" || g.Record != 4 || g.Sequence != "42" || g.Ordinal != 3 || !g.Arrival.Equal(noon) {
		t.Errorf("the small piece came back as %+v", g)
	}
	if g := got[1]; len(g.Raw) != rawHead || g.Size != len(large) || len(g.SHA256) != 64 {
		t.Errorf("the large piece: %d bytes of %d, digest %q", len(g.Raw), g.Size, g.SHA256)
	}
	if packed, err = q.take(); packed != nil || err != nil {
		t.Errorf("a second take gave %d bytes, %v", len(packed), err)
	}
}
