package cloudtrail

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// record is a small record with the last digit of its id, in which a mistake may
// hit an object, a text with escapes, or a list.
func record(id int) string {
	return fmt.Sprintf(`{"eventVersion":"1.08","userIdentity":{"type":"Root","tags":["a","b"]},"eventTime":"2023-07-10T12:00:01Z",`+
		`"eventName":"A","requestParameters":{"policy":"{\"a\":[1]}","on":true},"eventID":"00000000-0000-4000-8000-00000000000%d"}`, id)
}

func TestDecodeBrokenPieces(t *testing.T) {
	one, two := record(1), record(2)
	half := one[:90]
	for _, c := range []struct {
		name, payload string
		want          outcome
	}{
		{"empty", "", outcome{}},
		{"white space", " \n\t", outcome{}},
		{"list cut inside a record", `{"Records":[` + one + `,` + half, outcome{Events: []string{"1"}, Rejects: []string{"truncated"}}},
		{"list cut behind a record", `{"Records":[` + one, outcome{Events: []string{"1"}, Rejects: []string{"truncated"}}},
		{"list cut behind a comma", `{"Records":[` + one + `,`, outcome{Events: []string{"1"}, Rejects: []string{"truncated"}}},
		{"last brace missing", `{"Records":[` + one + `]`, outcome{Events: []string{"1"}, Rejects: []string{"truncated"}}},
		{"bare list cut", `[` + one + `,` + two, outcome{Events: []string{"1", "2"}, Rejects: []string{"truncated"}}},
		{"bracket missing", `{"Records":[` + one + `}`, outcome{Events: []string{"1"}, Rejects: []string{"not json"}}},
		{"member behind the list broken", `{"Records":[` + one + `],"x":tru}`, outcome{Events: []string{"1"}, Rejects: []string{"not json"}}},
		{"member before the list broken", `{"x":tru,"Records":[` + one + `]}`, outcome{Rejects: []string{"not json"}}},
		{"brace missing", `{"Records":[` + strings.Replace(one, `"]},`, `"],`, 1) + `,` + two + `]}`, outcome{Events: []string{"2"}, Rejects: []string{"not json"}}},
		{"quote missing", `{"Records":[` + strings.Replace(one, `Root"`, `Root`, 1) + `,` + two + `]}`, outcome{Events: []string{"2"}, Rejects: []string{"not json"}}},
		{"brace too many", `{"Records":[` + one + `},` + two + `]}`, outcome{Events: []string{"1", "2"}, Rejects: []string{"not json"}}},
		{"line cut", half + "\n" + two + "\n", outcome{Events: []string{"2"}, Rejects: []string{"not json"}}},
		{"last line cut", one + "\n" + half, outcome{Events: []string{"1"}, Rejects: []string{"truncated"}}},
		{"log line before each record", "INFO a 12 " + one + "\nINFO b 13 " + two, outcome{Events: []string{"1", "2"}, Rejects: []string{"not json", "not json"}}},
		{"garbage lines", "abc\ndef\n" + one, outcome{Events: []string{"1"}, Rejects: []string{"not json", "not json"}}},
		{"records behind record separators", "\x1e" + one + "\n\x1e" + two + "\n", events("1", "2")},
		{"byte order mark between files", "\xef\xbb\xbf{\"Records\":[" + one + "]}\xef\xbb\xbf{\"Records\":[" + two + "]}", events("1", "2")},
		{"scalars", "1\ntrue\n\"x\"\nnull", rejects("not an object", "not an object", "not an object", "not an object")},
		{"list of lists", `[[` + one + `],[],[` + two + `]]`, outcome{Events: []string{"1", "2"}, Rejects: []string{"not an object"}}},
		{"two lists in one file", `{"Records":[` + one + `],"Records":[` + two + `]}`, events("1", "2")},
		{"messages with one broken", `{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","message":` + quote(one) + `},{"id":"2","message":x},{"id":"3","message":` + quote(two) + `}]}`,
			outcome{Events: []string{"1", "2"}, Rejects: []string{"not json"}}},
		{"messages are none", `{"messageType":"DATA_MESSAGE"}`, rejects("not CloudTrail")},
		{"messages are text", `{"messageType":"DATA_MESSAGE","logEvents":"x"}`, rejects("not CloudTrail")},
		{"no messages", `{"messageType":"DATA_MESSAGE","logEvents":[]}`, outcome{}},
		{"messages cut", `{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","message":` + quote(one) + `},{"id":"2","mess`,
			outcome{Events: []string{"1"}, Rejects: []string{"truncated"}}},
		{"message with a broken record", `{"messageType":"DATA_MESSAGE","logEvents":[{"id":"1","message":` + quote(half) + `},{"id":"2","message":` + quote(two) + `}]}`,
			outcome{Events: []string{"2"}, Rejects: []string{"truncated"}}},
		{"broken base64", `{"kinesis":{"data":"eyJh=AAA"}}`, rejects("not CloudTrail")},
		{"bad base64", `eyJhIjoxfQ==eyJhIjoxfQ==`, rejects("bad base64")},
		{"lists in lists", strings.Repeat(`{"Records":[`, 20) + one + strings.Repeat(`]}`, 20), rejects("too many layers")},
		{"texts in texts", layers(12, one), rejects("too many layers")},
		{"UTF-16", "\xff\xfe{\x00}\x00", rejects("not json", "not json")},
		{"too large", `{"Records":[{"eventTime":"2023-07-10T12:00:01Z","x":"` + strings.Repeat("x", maxRecord) + `"},` + two + `]}`,
			outcome{Events: []string{"2"}, Rejects: []string{"too large"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := Decoder{}
			r := d.Decode([]byte(c.payload))
			checkRecords(t, r)
			if diff := cmp.Diff(c.want, outcomeOf(r)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// quote makes a JSON string of text.
func quote(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

func layers(n int, text string) string {
	for range n {
		text = `{"Type":"Notification","Message":` + quote(text) + `}`
		if len(text) > 1<<20 {
			break
		}
	}
	return text
}

// A reject shows the piece that was wrong, and only that.
func TestRejectsHoldTheirPiece(t *testing.T) {
	var d Decoder
	broken := strings.Replace(record(1), "true", "tru", 1)
	r := d.Decode([]byte(`{"Records":[` + record(0) + ` , ` + broken + ` , ` + record(2) + `,7]}`))
	got := map[int]string{}
	for _, reject := range r.Rejects {
		got[reject.Ordinal] = string(reject.Raw)
	}
	if diff := cmp.Diff(map[int]string{1: broken, 3: "7"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]int{0, 2}, r.Ordinals); diff != "" {
		t.Errorf("ordinals, -want +got:\n%s", diff)
	}
}

// One wrong byte in one record of a file harms no other record. The commas help:
// without them a colon for the last brace would make the next record a value.
func TestOneWrongByteHarmsOneRecord(t *testing.T) {
	structural := []byte(`{}[]",:\x1 ` + "\n\x00")
	rapid.Check(t, func(t *rapid.T) {
		records := []string{record(0), record(1), record(2)}
		victim := rapid.IntRange(0, 2).Draw(t, "victim")
		at := rapid.IntRange(0, len(records[victim])-1).Draw(t, "at")
		wrong := string(rapid.SampledFrom(structural).Draw(t, "byte"))
		text := records[victim]
		switch rapid.SampledFrom([]string{"replace", "insert", "delete"}).Draw(t, "how") {
		case "replace":
			text = text[:at] + wrong + text[at+1:]
		case "insert":
			text = text[:at] + wrong + text[at:]
		default:
			text = text[:at] + text[at+1:]
		}
		records[victim] = text
		separator := rapid.SampledFrom([]string{",", ",\n"}).Draw(t, "separator")
		payload := `{"Records":[` + strings.Join(records, separator) + `]}`
		var d Decoder
		r := d.Decode([]byte(payload))
		if len(r.Ordinals) != len(r.Events) {
			t.Fatalf("%d ordinals for %d events", len(r.Ordinals), len(r.Events))
		}
		got := outcomeOf(r)
		for id := range records {
			if id != victim && !slices.Contains(got.Events, fmt.Sprint(id)) {
				t.Fatalf("record %d is lost: %+v\n%s", id, got, payload)
			}
		}
		if len(r.Events)+len(r.Rejects) < len(records) {
			t.Fatalf("%+v: a piece is missing\n%s", got, payload)
		}
	})
}

// Input made to be read again and again takes no more than a bounded time: the
// scanner gives up looking for whole pieces when its budget is spent.
func TestDecodeHostileInput(t *testing.T) {
	for name, piece := range map[string]string{
		"open objects on lines": "{\"a\":\n", "open lists": "[", "open objects": `{"a":`, "quotes": `"`, "braces": "{", "lists of records": `{"Records":[`,
		"open with quotes": "{\"a\":\"\n", "unicode": `"\ud800`, "closed": "]}", "records cut": `{"eventTime":"2023-07-10T12:00:01Z",`,
	} {
		t.Run(name, func(t *testing.T) {
			payload := []byte(strings.Repeat(piece, 1<<18/len(piece)))
			var d Decoder
			r := d.Decode(payload)
			if len(r.Rejects) == 0 || len(r.Events) != 0 {
				t.Errorf("%d events, %d rejects of garbage", len(r.Events), len(r.Rejects))
			}
			if spent := 32*len(payload) + 1<<16 - d.budget; spent > 34*len(payload)+1<<18 {
				t.Errorf("%d bytes read again for a payload of %d", spent, len(payload))
			}
		})
	}
}
