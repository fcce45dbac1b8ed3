package export

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/cairnstream/cairn/export/rowlog"
)

// benchRows are n rows of events: the recorded ones of CAIRN_DATA, or else
// generated ones of about 1 KB, repeated with new ids and times until there
// are enough.
func benchRows(b testing.TB, n int) []EventRow {
	b.Helper()
	seeds := recorded(b)
	if len(seeds) == 0 {
		seeds = generated(2000)
	}
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]EventRow, n)
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		rows[i] = seeds[i%len(seeds)]
		at := start.Add(time.Duration(i)*time.Second*86000/time.Duration(n) - time.Duration(rng.IntN(300))*time.Second)
		rows[i].EventTime = at.Format("2006-01-02T15:04:05Z")
		rows[i].EventTS, rows[i].ArrivalTS = at.UnixMilli(), start.Add(time.Duration(i)*time.Millisecond).UnixMilli()
		rows[i].EventID = uuid(rng)
		if rows[i].RequestID != nil {
			id := uuid(rng)
			rows[i].RequestID = &id
		}
		rows[i].Shard = "shardId-000000000000"
		rows[i].Sequence = fmt.Sprintf("%056d", i)
		rows[i].Ordinal = int32(i % 40)
	}
	return rows
}

func uuid(rng *rand.Rand) string {
	a, b := rng.Uint64(), rng.Uint64()
	return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", uint32(a), uint16(a>>32), a>>48, uint16(b), b>>16)
}

func pick(rng *rand.Rand, values ...string) *string { return &values[rng.IntN(len(values))] }

func generated(n int) []EventRow {
	rng := rand.New(rand.NewPCG(3, 4))
	rows := make([]EventRow, n)
	yes, version := "true", "1.08"
	for i := range rows {
		user := fmt.Sprintf("user%03d", rng.IntN(300))
		account := fmt.Sprintf("%012d", 111122223333+rng.IntN(4))
		arn := "arn:aws:sts::" + account + ":assumed-role/app/" + user
		role := "arn:aws:iam::" + account + ":role/app"
		key := fmt.Sprintf("ASIA%016X", rng.Uint64())
		request := fmt.Sprintf(`{"instancesSet":{"items":[{"instanceId":"i-%017x"}]},"filterSet":{},"bucketName":"logs-%d","key":"a/%x/%x"}`, rng.Uint64(), rng.IntN(50), rng.Uint64(), rng.Uint64())
		response := fmt.Sprintf(`{"requestId":"%s","instancesSet":{"items":[{"instanceId":"i-%017x","currentState":{"code":32,"name":"shutting-down"},"previousState":{"code":16,"name":"running"}}]}}`, uuid(rng), rng.Uint64())
		rows[i] = EventRow{
			EventVersion: &version, EventSource: pick(rng, "ec2.amazonaws.com", "s3.amazonaws.com", "sts.amazonaws.com"),
			EventName: pick(rng, "DescribeInstances", "GetObject", "AssumeRole", "TerminateInstances"), AWSRegion: pick(rng, "us-east-1", "eu-west-1"),
			SourceIPAddress: pick(rng, "10.0.0.1", "198.51.100.7", "ec2.amazonaws.com"), UserAgent: pick(rng, "aws-cli/2.15 Python/3.11", "Boto3/1.34"),
			RequestParameters: &request, RequestID: &key, ReadOnly: &yes, EventType: pick(rng, "AwsApiCall"), RecipientAccountID: &account,
			EventCategory: pick(rng, "Management"), ManagementEvent: &yes, ActorRoot: &arn, ActorRole: &role, ActorSession: &user,
			UserIdentity: &UserIdentity{
				Type: pick(rng, "AssumedRole"), PrincipalID: &user, ARN: &arn, AccountID: &account, AccessKeyID: &key,
				SessionContext: &SessionContext{
					Attributes:    &SessionAttributes{MFAAuthenticated: pick(rng, "false"), CreationDate: pick(rng, "2026-03-01T00:00:00Z")},
					SessionIssuer: &SessionIssuer{Type: pick(rng, "Role"), ARN: &role, AccountID: &account, UserName: pick(rng, "app")},
				},
			},
			TLSDetails: &TLSDetails{TLSVersion: pick(rng, "TLSv1.3"), CipherSuite: pick(rng, "TLS_AES_128_GCM_SHA256"), ClientProvidedHostHeader: pick(rng, "ec2.us-east-1.amazonaws.com")},
		}
		if i%3 == 0 {
			rows[i].ResponseElements = &response
		}
	}
	return rows
}

var recordedOnce = sync.OnceValues(func() ([]EventRow, error) {
	dir := os.Getenv("CAIRN_DATA")
	if dir == "" {
		return nil, nil
	}
	var rows []EventRow
	err := filepath.WalkDir(filepath.Join(dir, "cloudtrail", "history", "AWSLogs"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".json.gz") {
			return err
		}
		more, err := readRows(path)
		rows = append(rows, more...)
		return err
	})
	return rows, err
})

func recorded(b testing.TB) []EventRow {
	rows, err := recordedOnce()
	if err != nil {
		b.Fatal(err)
	}
	return rows
}

// readRows maps a file of records to rows, well enough for sizes and times.
func readRows(path string) ([]EventRow, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	var file struct{ Records []map[string]json.RawMessage }
	if err := json.NewDecoder(z).Decode(&file); err != nil {
		return nil, err
	}
	rows := make([]EventRow, 0, len(file.Records))
	for _, r := range file.Records {
		rows = append(rows, recordRow(r))
	}
	return rows, nil
}

func recordRow(m map[string]json.RawMessage) EventRow {
	text := func(m map[string]json.RawMessage, name string) *string {
		raw, ok := m[name]
		if !ok || string(raw) == "null" {
			return nil
		}
		s := string(raw)
		var plain string
		if json.Unmarshal(raw, &plain) == nil {
			s = plain
		}
		return &s
	}
	object := func(m map[string]json.RawMessage, name string) (out map[string]json.RawMessage) {
		if json.Unmarshal(m[name], &out) != nil {
			return nil
		}
		return out
	}
	id := object(m, "userIdentity")
	row := EventRow{
		EventVersion: text(m, "eventVersion"), EventSource: text(m, "eventSource"), EventName: text(m, "eventName"), AWSRegion: text(m, "awsRegion"),
		SourceIPAddress: text(m, "sourceIPAddress"), UserAgent: text(m, "userAgent"), ErrorCode: text(m, "errorCode"), ErrorMessage: text(m, "errorMessage"),
		RequestParameters: text(m, "requestParameters"), ResponseElements: text(m, "responseElements"), AdditionalEventData: text(m, "additionalEventData"),
		RequestID: text(m, "requestID"), EventType: text(m, "eventType"), APIVersion: text(m, "apiVersion"), RecipientAccountID: text(m, "recipientAccountId"),
		ActorRoot: text(id, "arn"),
		UserIdentity: &UserIdentity{
			Type: text(id, "type"), PrincipalID: text(id, "principalId"), ARN: text(id, "arn"), AccountID: text(id, "accountId"),
			InvokedBy: text(id, "invokedBy"), AccessKeyID: text(id, "accessKeyId"), UserName: text(id, "userName"),
		},
	}
	if sc := object(id, "sessionContext"); sc != nil {
		at, is := object(sc, "attributes"), object(sc, "sessionIssuer")
		row.UserIdentity.SessionContext = &SessionContext{
			Attributes:    &SessionAttributes{MFAAuthenticated: text(at, "mfaAuthenticated"), CreationDate: text(at, "creationDate")},
			SessionIssuer: &SessionIssuer{Type: text(is, "type"), PrincipalID: text(is, "principalId"), ARN: text(is, "arn"), AccountID: text(is, "accountId"), UserName: text(is, "userName")},
		}
	}
	return row
}

// BenchmarkRoll is the way from compressed blocks to a Parquet file, one
// encoder: one large file, and one as small as most of a replay.
func BenchmarkRoll(b *testing.B) {
	for _, n := range []int{100_000, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			batch, job := frozen(b, benchRows(b, n))
			defer batch.Close()
			e := takeEncoder()
			out := &counter{w: io.Discard}
			cpu := cpuTime()
			for b.Loop() {
				out.n = 0
				if _, err := e.encode(context.Background(), out, job, testNaming); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N)/float64(n), "cpu-ns/row")
			b.ReportMetric(float64(out.n)/float64(n), "B/row")
		})
	}
}

func frozen(b testing.TB, rows []EventRow) (*Batch, rollJob) {
	b.Helper()
	buffer := NewBuffer(BufferOptions{MemoryLimit: 1 << 30})
	for i := range rows {
		if err := buffer.AddEvent("2026-03-01", &rows[i]); err != nil {
			b.Fatal(err)
		}
	}
	batch := buffer.Freeze(Events)
	return batch, rollJob{spec: batch.tables[0].spec, part: batch.tables[0].parts["2026-03-01"]}
}

// BenchmarkLibrary is the same file by the library's struct writer, with the
// settings that it has for them: what package columnar is measured against.
func BenchmarkLibrary(b *testing.B) {
	for _, n := range []int{100_000, 300} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			rows := benchRows(b, n)
			out := &counter{w: io.Discard}
			w := parquet.NewGenericWriter[EventRow](out, libraryOptions()...)
			cpu := cpuTime()
			for b.Loop() {
				out.n = 0
				w.Reset(out)
				for i := 0; i < len(rows); i += 256 {
					if _, err := w.Write(rows[i:min(i+256, len(rows))]); err != nil {
						b.Fatal(err)
					}
				}
				if err := w.Close(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime()-cpu)/float64(b.N)/float64(n), "cpu-ns/row")
			b.ReportMetric(float64(out.n)/float64(n), "B/row")
		})
	}
}

func libraryOptions() []parquet.WriterOption {
	options := []parquet.WriterOption{
		parquet.DataPageVersion(1), parquet.PageBufferSize(eventPageBytes), parquet.Compression(&zstd.Codec{Level: zstd.DefaultLevel}),
		parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain), parquet.DictionaryMaxBytes(1 << 20),
		parquet.BloomFilters(parquet.SplitBlockFilter(10, "eventid"), parquet.SplitBlockFilter(10, "useridentity", "accesskeyid")),
	}
	for _, p := range specs[0].noStats {
		options = append(options, parquet.SkipPageStatistics(strings.Split(p, ".")...))
	}
	return options
}

// BenchmarkAdd is what the appending goroutine pays for a row; the compression
// beside it is in the CPU time of the process, not in this figure.
func BenchmarkAdd(b *testing.B) {
	rows := benchRows(b, 20_000)
	buffer := NewBuffer(BufferOptions{MemoryLimit: 1 << 40})
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		if err := buffer.AddEvent("2026-03-01", &rows[i%len(rows)]); err != nil {
			b.Fatal(err)
		}
		if i++; i%200_000 == 0 {
			b.StopTimer()
			if err := buffer.Freeze().Close(); err != nil {
				b.Fatal(err)
			}
			b.StartTimer()
		}
	}
}

// BenchmarkBlock measures the codecs on blocks of rows: compress and open, per
// row. S2 was chosen by it.
func BenchmarkBlock(b *testing.B) {
	rows := benchRows(b, 20_000)
	codec := codecOf[EventRow](Events)
	var raws [][]byte
	var raw []byte
	for i := range rows {
		start := len(raw)
		raw = codec.Append(rowlog.BeginRow(raw), &rows[i])
		rowlog.EndRow(raw, start)
		if len(raw) >= rowlog.MaxRaw {
			raws, raw = append(raws, raw), nil
		}
	}
	for _, codec := range []rowlog.Compression{rowlog.None, rowlog.S2, rowlog.Zstd} {
		b.Run(fmt.Sprint(codec), func(b *testing.B) { benchCodec(b, codec, raws, len(rows)) })
	}
}

func benchCodec(b *testing.B, codec rowlog.Compression, raws [][]byte, rows int) {
	c, err := rowlog.NewCompressor(codec)
	if err != nil {
		b.Fatal(err)
	}
	var d rowlog.Decompressor
	var buf []byte
	size, total := 0, 0
	for b.Loop() {
		size, total = 0, 0
		for _, raw := range raws {
			block := c.Block(1, 1, 1, raw)
			size += len(block.Data)
			total += len(raw)
			if buf, err = d.Open(buf, block); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(rows), "ns/row")
	b.ReportMetric(float64(size)/float64(rows), "B/row")
	b.ReportMetric(float64(total)/float64(rows), "raw-B/row")
}
