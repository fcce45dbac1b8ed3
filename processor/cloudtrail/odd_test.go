package cloudtrail

import (
	"bufio"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/go-json-experiment/json/jsontext"
)

// dataFolder returns the folder of the data packs, and skips the test without.
func dataFolder(t testing.TB) string {
	t.Helper()
	data := os.Getenv("CAIRN_DATA")
	if data == "" {
		t.Skip("set CAIRN_DATA to the data folder")
	}
	return filepath.Join(data, "cloudtrail")
}

// oddFile says how many records of a file survive, which rejects it gives, and why.
type oddFile struct {
	events  int
	rejects []string
	why     string
}

var oddFiles = map[string]oddFile{
	"bare-array.json":                                {1, nil, "a list needs no Records around it"},
	"bom.json":                                       {1, nil, "a byte order mark is not content"},
	"concatenated-no-commas.json":                    {2, nil, "the braces alone tell the records apart"},
	"control-char-in-string.json":                    {0, []string{"not json"}, "JSON forbids it, and readers of the lake would refuse the text"},
	"duplicate-keys.json":                            {1, nil, "the last name wins"},
	"empty-array.json":                               {0, nil, "nothing in it, nothing lost"},
	"empty-records.json":                             {0, nil, "nothing in it, nothing lost"},
	"empty.json":                                     {0, nil, "nothing in it, nothing lost"},
	"empty.json.gz":                                  {0, nil, "a gzip member of no bytes"},
	"extra-top-level-keys.json":                      {1, nil, "only a list at the top level counts, not that inside x"},
	"gzip-bad-crc.json.gz":                           {1, []string{"corrupt gzip"}, "the record is whole; the wrong sum is reported"},
	"gzip-inside-gzip.json.gz":                       {1, nil, "layers are peeled"},
	"gzip-named-json.json":                           {1, nil, "the bytes decide, not the name"},
	"gzip-truncated.json.gz":                         {14, []string{"truncated gzip"}, "9,968 bytes unpack: 14 whole records and a part of one"},
	"gzip-two-members.json.gz":                       {1, nil, "the members are one text, cut inside the record"},
	"invalid-utf8.json":                              {1, nil, "each bad byte is U+FFFD"},
	"lone-surrogate.json":                            {1, nil, "half a pair is U+FFFD"},
	"ndjson.json":                                    {2, nil, "a record a line"},
	"not-gzip.json.gz":                               {1, nil, "the bytes decide, not the name"},
	"record-not-object.json":                         {2, []string{"not an object", "not an object", "not an object", "not an object"}, "null, 1, a text and an empty list stand between two records"},
	"records-key-lowercase.json":                     {1, nil, "both spellings occur"},
	"records-null.json":                              {0, nil, "nothing in it, nothing lost"},
	"trailing-garbage.json":                          {1, []string{"not json"}, "xyz behind the file"},
	"truncated.json":                                 {0, []string{"truncated"}, "its only record is cut"},
	"two-documents.json":                             {2, nil, "two files one behind the other"},
	"SerializerAllFieldsNull.json":                   {1, []string{"no eventTime"}, "the first of two records is all null"},
	"SerializerTestFile.json":                        {6, nil, "six records, indented"},
	"SerializerTestFileBadFieldName.json":            {1, []string{"not CloudTrail"}, "no member of the first record has its name"},
	"SerializerTestFileBadJsonFormat.json":           {1, []string{"not json"}, "the first record lacks a brace; what is left of it must not pass for a record"},
	"SerializerTestFileCompact.json":                 {6, nil, "six records, one line"},
	"SerializerTestFileCompact.json.gz":              {6, nil, "the same, compressed with a name in the header"},
	"SerializerTestFileLocation.json":                {6, nil, "six records, one line"},
	"SerializerTestFileMissField.json":               {3, []string{"bad eventTime"}, "three of four lack other members; the last has a text for a time that is none"},
	"SerializerTestFileNewFieldAtRandomPlaces.json":  {2, nil, "unknown members go to extra"},
	"SerializerTestFileNewFieldName.json":            {1, []string{"not CloudTrail"}, "no member of the first record has its name"},
	"SerializerTestFileNewFieldsInRoot.json":         {2, nil, "unknown members go to extra"},
	"SerializerTestFileNewFieldsInUserIdentity.json": {2, nil, "unknown members go to extra"},
	"SerializerVariousUserIdentityTestFile.json":     {1, nil, "unknown members go to extra"},
}

func TestOddFiles(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(filepath.Join(dataFolder(t), "odd/files"), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		payload, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		seen++
		t.Run(entry.Name(), func(t *testing.T) {
			want, ok := oddFiles[entry.Name()]
			if !ok {
				t.Fatal("no expectation for this file")
			}
			r := decodeChecked(t, payload)
			if got := outcomeOf(r); len(got.Events) != want.events || !cmp.Equal(got.Rejects, want.rejects) || got.Control != 0 {
				t.Errorf("%+v, want %d events and %q: %s", got, want.events, want.rejects, want.why)
			}
		})
		return nil
	})
	if err != nil || seen != len(oddFiles) {
		t.Errorf("%d files, the table has %d: %v", seen, len(oddFiles), err)
	}
}

// oddRejects counts the odd records that are no events, by kind and reason. The
// pack has 177 records.
var oddRejects = map[string]int{
	"no eventTime, only @timestamp; wrapper objects: no eventTime": 12,
	"other: no eventTime": 1, // it has no such member
	"placeholder values, odd types, non-AWS records: bad eventTime":                            16, // "...", "foo", "eventTime", "string"
	"AWS own parser robustness set: nulls, missing and new fields, wrong times: bad eventTime": 1,  // "ThisIsAWrongEventTime"
	"eventTime junk: bad eventTime":                                                            1,
	"eventTime null: no eventTime":                                                             1,
}

func TestOddRecords(t *testing.T) {
	events, controls, rejected := 0, map[string]int{}, map[string]int{}
	eachOddRecord(t, func(kind string, record []byte) {
		r := decodeChecked(t, record)
		events += len(r.Events)
		if r.Control > 0 {
			controls[kind]++
		}
		for _, reject := range r.Rejects {
			rejected[kind+": "+reject.Reason]++
		}
		if len(r.Events)+len(r.Rejects)+r.Control != 1 {
			t.Errorf("%s: %+v, want one piece", kind, outcomeOf(r))
		}
	})
	if diff := cmp.Diff(oddRejects, rejected); diff != "" || events != 177-1-32 {
		t.Errorf("%d events, rejects -want +got:\n%s", events, diff)
	}
	if diff := cmp.Diff(map[string]int{"digest object, no Records": 1}, controls); diff != "" {
		t.Errorf("controls, -want +got:\n%s", diff)
	}
}

func eachOddRecord(t *testing.T, do func(kind string, record []byte)) {
	t.Helper()
	file, err := os.Open(filepath.Join(dataFolder(t), "odd/records.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		row, err := ParseValue(bytes.Clone(lines.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		kind, _ := row.Get("kind").Text()
		do(kind, row.Get("event").Raw())
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

// Every tenth file of the recorded history decodes without a reject, and each
// record can be rebuilt from columns and extra.
func TestHistoryIsLossless(t *testing.T) {
	n, events := 0, 0
	err := filepath.WalkDir(filepath.Join(dataFolder(t), "history"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".json.gz") {
			return err
		}
		if n++; n%10 != 0 {
			return nil
		}
		payload, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var d Decoder
		r := d.Decode(payload)
		checkRecords(t, r)
		events += len(r.Events)
		if len(r.Rejects) > 0 || r.Control > 0 {
			t.Errorf("%s: %+v", filepath.Base(path), outcomeOf(r))
		}
		return nil
	})
	if err != nil || events == 0 {
		t.Errorf("%d events: %v", events, err)
	}
}

// All of the history: as many records as its description says.
func TestHistoryCount(t *testing.T) {
	events := 0
	var d Decoder
	err := filepath.WalkDir(filepath.Join(dataFolder(t), "history"), func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".json.gz") {
			return err
		}
		payload, err := os.ReadFile(path)
		r := d.Decode(payload)
		events += len(r.Events)
		if len(r.Rejects) > 0 {
			t.Errorf("%s: %+v", filepath.Base(path), outcomeOf(r))
		}
		return err
	})
	if err != nil || events != 17_598 {
		t.Errorf("%d events, want 17,598: %v", events, err)
	}
}

func TestStratusDecodes(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(dataFolder(t), "stratus/*.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	events := 0
	for _, path := range files {
		payload, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		r := decodeChecked(t, payload)
		events += len(r.Events)
		if len(r.Rejects) > 0 {
			t.Errorf("%s: %+v", filepath.Base(path), outcomeOf(r))
		}
	}
	if len(files) != 35 || events != 310 {
		t.Errorf("%d files with %d events, want 35 with 310", len(files), events)
	}
}

func TestOddFileTextsAreReadable(t *testing.T) {
	for file, want := range map[string]string{"invalid-utf8.json": "ex\ufffd\ufffdample", "lone-surrogate.json": "a\ufffdb"} {
		payload, err := os.ReadFile(filepath.Join(dataFolder(t), "odd/files", file))
		if err != nil {
			t.Fatal(err)
		}
		var d Decoder
		e := &d.Decode(payload).Events[0]
		if got, _ := e.Text(IdentityUserName); got != want {
			t.Errorf("%s: user name %q, want %q", file, got, want)
		}
		if blob := jsontext.Value(e.Blob(UserIdentity)); !blob.IsValid() {
			t.Errorf("%s: a strict reader refuses %q", file, blob)
		}
		if got, _ := e.BlobTree(UserIdentity).Get("userName").Text(); got != want {
			t.Errorf("%s: user name in the tree %q, want %q", file, got, want)
		}
	}
}
