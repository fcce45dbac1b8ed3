package kcl

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
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
	for name, e := range emulators.running {
		select {
		case <-e.Done():
			fmt.Printf("%s has ended: %s\n", name, e.Output())
		default:
		}
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
	return aws.Config{
		Region: "eu-west-1", BaseEndpoint: &url, Credentials: credentials.NewStaticCredentialsProvider("key", "secret", ""),
		HTTPClient: patient{&http.Client{Transport: &http.Transport{IdleConnTimeout: time.Second}}},
	}
}

// patient lets a request come to its end when the caller does not wait for it
// any more: kinesalite dies of a request that is broken off.
type patient struct{ *http.Client }

func (p patient) Do(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.Header.Get("X-Amz-Target"), ".SubscribeToShard") {
		return p.Client.Do(r) // goes on after the answer
	}
	type answer struct {
		*http.Response
		error
	}
	whole := r.WithContext(context.WithoutCancel(r.Context()))
	if r.Body != nil { // the caller closes it when it leaves
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		whole.Body = io.NopCloser(bytes.NewReader(body))
	}
	done := make(chan answer, 1)
	go func() {
		response, err := p.Client.Do(whole)
		done <- answer{response, err}
	}()
	select {
	case a := <-done:
		return a.Response, a.error
	case <-r.Context().Done():
		go func() {
			if a := <-done; a.error == nil {
				_ = a.Body.Close()
			}
		}()
		return nil, r.Context().Err()
	}
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
