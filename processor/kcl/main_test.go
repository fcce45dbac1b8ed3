package kcl

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/cairnstream/cairn/deploy/local"
)

// The tests of this package share one emulator of each kind. Streams and tables
// have names of their own.
var emulators struct {
	sync.Mutex
	running map[string]*local.Emulator
	names   int
}

func TestMain(m *testing.M) {
	code := m.Run()
	for _, e := range emulators.running {
		e.Stop()
	}
	os.Exit(code)
}

// emulator returns the address of a running emulator.
func emulator(t *testing.T, name string) string {
	t.Helper()
	local.Require(t)
	emulators.Lock()
	defer emulators.Unlock()
	if e := emulators.running[name]; e != nil {
		return e.URL()
	}
	e, err := local.Start(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	if emulators.running == nil {
		emulators.running = map[string]*local.Emulator{}
	}
	emulators.running[name] = e
	return e.URL()
}

// newName returns a name that no test had before.
func newName(t *testing.T) string {
	emulators.Lock()
	defer emulators.Unlock()
	emulators.names++
	return fmt.Sprintf("s%03d", emulators.names)
}

func awsConfig(url string) aws.Config {
	return aws.Config{Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", "")}
}

func dynamo(t *testing.T) *dynamodb.Client {
	return dynamodb.NewFromConfig(awsConfig(emulator(t, local.NameDynalite)))
}

func kinesisAt(url string) *kinesis.Client { return kinesis.NewFromConfig(awsConfig(url)) }

// eventually waits until ok, for at most a time that a slow machine needs.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not in time: %s", what)
		}
	}
}

// value reads a counter or gauge.
func value(t *testing.T, m prometheus.Metric) float64 {
	t.Helper()
	var d dto.Metric
	if err := m.Write(&d); err != nil {
		t.Fatal(err)
	}
	return d.GetCounter().GetValue() + d.GetGauge().GetValue()
}
