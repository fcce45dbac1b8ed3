package processor

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/zstd"

	"github.com/cairnstream/cairn/processor/cloudtrail"
)

func TestQuarantineKeepsAllThatIsNeededToTryAgain(t *testing.T) {
	var q quarantine
	small := []byte("\x00not json\xff")
	large := bytes.Repeat([]byte("x"), rawLimit+1)
	q.add("shardId-1", &Item{Sequence: "42", Ordinal: 3, Arrival: noon,
		Reject: &cloudtrail.Reject{Reason: "not json", Err: errors.New("byte 0"), Raw: small}})
	q.add("shardId-1", &Item{Sequence: "43", Arrival: noon, Reject: &cloudtrail.Reject{Reason: "bomb", Raw: large}})
	packed, err := q.take()
	if err != nil {
		t.Fatal(err)
	}
	got := unpack(t, packed)
	if len(got) != 2 {
		t.Fatalf("%d lines for two pieces", len(got))
	}
	if g := got[0]; !bytes.Equal(g.Raw, small) || g.Reason != "not json" || g.Error != "byte 0" || g.Sequence != "42" || g.Ordinal != 3 || !g.Arrival.Equal(noon) {
		t.Errorf("the small piece came back as %+v", g)
	}
	if g := got[1]; len(g.Raw) != rawHead || g.Size != len(large) || len(g.SHA256) != 64 {
		t.Errorf("the large piece: %d bytes of %d, digest %q", len(g.Raw), g.Size, g.SHA256)
	}
	if packed, err = q.take(); packed != nil || err != nil {
		t.Errorf("a second take gave %d bytes, %v", len(packed), err)
	}
}

func unpack(t *testing.T, packed []byte) (lines []quarantined) {
	t.Helper()
	z, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	plain, err := z.DecodeAll(packed, nil)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(plain)) {
		var q quarantined
		if err := json.Unmarshal([]byte(line), &q); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, q)
	}
	return lines
}
