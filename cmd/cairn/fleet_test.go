package main

import (
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"

	"github.com/cairnstream/cairn/deploy/local"
)

// TestFleet runs workers as processes of their own against emulators of Kinesis
// and DynamoDB, does to them what machines and networks do, and holds what is in
// the lake in the end against a replay of the same files.
//
// Environment: CAIRN_RESHARDS is how often scenario 05 splits, splits and merges
// twice (default 1), CAIRN_KILLS how often 03 kills and 12 stops a worker
// (default 2), and CAIRN_RACE builds the workers with the race detector.
func TestFleet(t *testing.T) {
	g := &ground{program: build(t), streams: local.Kinesalite(t).URL(), tables: local.Dynalite(t).URL()}
	bucket := s3mem.New()
	if err := bucket.CreateBucket("cairn"); err != nil {
		t.Fatal(err)
	}
	s3 := httptest.NewServer(gofakes3.New(bucket).Server())
	t.Cleanup(s3.Close)
	g.objects = s3.URL
	awsSettings(t, map[string]string{"S3": s3.URL})
	g.small = g.newTraffic(t, 12, 3000, usual)
	t.Logf("%d events, %d findings, %d resources; %d records", len(g.small.ids), len(g.small.ref.Findings), len(g.small.ref.Inventory), len(g.small.pieces))
	t.Run("scenarios", func(t *testing.T) {
		for name, scenario := range map[string]func(*ground, *testing.T){
			"01 one worker":            (*ground).oneWorker,
			"02 balance":               (*ground).balance,
			"03 kill":                  (*ground).killUnderLoad,
			"04 pause":                 (*ground).pause,
			"05 reshard":               (*ground).reshard,
			"06 death of a child":      (*ground).deathOfAChild,
			"07 lease table down":      (*ground).leaseTableDown,
			"08 faults of the store":   (*ground).storeFaults,
			"09 delivered three times": (*ground).threeTimes,
			"10 poison":                (*ground).poison,
			"11 rolling restart":       (*ground).rollingRestart,
			"12 hand-over":             (*ground).handOver,
			"13 laptop":                (*ground).laptop,
			"14 snapshots":             (*ground).snapshots,
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				scenario(g, t)
			})
		}
	})
	g.results.print(os.Stderr)
}

func settings(url string) aws.Config {
	return aws.Config{Region: "eu-central-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
}

func kinesisAt(t *testing.T, url string) *kinesis.Client {
	t.Helper()
	return kinesis.NewFromConfig(settings(url))
}

func dynamoAt(t *testing.T, url string) *dynamodb.Client {
	t.Helper()
	return dynamodb.NewFromConfig(settings(url))
}

// oneWorker: four shards, one worker, nothing goes wrong.
func (g *ground) oneWorker(t *testing.T) {
	f := g.newFleet(t, 4)
	f.watching()
	f.worker()
	f.produce(g.small.pieces, 5*time.Second)()
	f.consumed(g.small.events)
	f.finish()
	f.check(g.small, 0)
}
