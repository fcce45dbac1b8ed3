package fleet

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
)

// trimmed is a stream of one shard that has lost its old records, and answers in
// the protocol of Kinesis.
type trimmed struct {
	mu        sync.Mutex
	retention time.Duration
	left      []arrived // oldest first
	empty     int       // reads that come back empty before the first with records
	fails     string    // an operation that is refused
	calls     map[string]int
	limit     int // of the last read
}

// arrived is a record as the stream keeps it.
type arrived struct {
	sequence string
	at       time.Time
	data     []byte
}

func newTrimmed(t *testing.T, retention time.Duration, left ...arrived) (*trimmed, *kinesis.Client) {
	t.Helper()
	s := &trimmed{retention: retention, left: left, calls: map[string]int{}}
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	return s, kinesis.NewFromConfig(settings(server.URL))
}

// ServeHTTP answers one call.
func (s *trimmed) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	s.calls[operation]++
	var in struct {
		Limit             int
		ShardIteratorType string
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if err != nil || operation == s.fails || operation == "GetShardIterator" && in.ShardIteratorType != "TRIM_HORIZON" {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = w.Write([]byte(`{"__type":"InvalidArgumentException","message":"refused"}`))
		return
	}
	s.limit = in.Limit
	_ = json.NewEncoder(w).Encode(s.answer(operation))
}

func (s *trimmed) answer(operation string) map[string]any {
	switch operation {
	case "DescribeStreamSummary":
		return map[string]any{"StreamDescriptionSummary": map[string]any{
			"StreamName": "trail", "StreamARN": "arn", "StreamStatus": "ACTIVE", "RetentionPeriodHours": s.retention.Hours(), "OpenShardCount": 1,
		}}
	case "GetShardIterator":
		return map[string]any{"ShardIterator": "begin"}
	case "GetRecords":
		if s.empty > 0 {
			s.empty--
			return map[string]any{"Records": []any{}, "NextShardIterator": "begin", "MillisBehindLatest": 1000}
		}
		records := []any{}
		for _, r := range s.left[:min(len(s.left), max(s.limit, 1))] {
			records = append(records, map[string]any{
				"SequenceNumber": r.sequence, "PartitionKey": "k", "Data": base64.StdEncoding.EncodeToString(r.data),
				"ApproximateArrivalTimestamp": json.Number(fmt.Sprintf("%.3f", float64(r.at.UnixMilli())/1000)),
			})
		}
		return map[string]any{"Records": records, "NextShardIterator": "next", "MillisBehindLatest": 0}
	}
	return map[string]any{}
}

func (s *trimmed) count(operation string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[operation]
}
