package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
	"github.com/klauspost/compress/gzip"
)

const (
	firstWait = 100 * time.Millisecond // a shard's budget is per second, so a tenth of one is the least that helps
	longWait  = 5 * time.Second        // much longer would leave a stream that has room again unused
	// patience is how long nothing at all may be taken before it is an error. A
	// reshard or an outage of some minutes is not one.
	patience = 10 * time.Minute
)

var errPatience = fmt.Errorf("nothing was taken for %s", patience)

// backoff waits in steps that double. There is no jitter: one process has one
// request on its way, and its steps differ from others' by what it sends.
type backoff struct {
	sleep  func(context.Context, time.Duration) error
	next   time.Duration
	waited time.Duration // since something was taken
}

func (b *backoff) reset() { b.next, b.waited = 0, 0 }

// progress notes that a part was taken: the steps go on growing, the patience
// begins anew.
func (b *backoff) progress() { b.waited = 0 }

func (b *backoff) wait(ctx context.Context) error {
	if b.waited >= patience {
		return errPatience
	}
	b.next = min(max(2*b.next, firstWait), longWait)
	b.waited += b.next
	return b.sleep(ctx, b.next)
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// passing tells whether an error is one that trying again may mend: throttling,
// a fault of the service, or a connection that failed.
func passing(err error) bool {
	var network net.Error
	var api smithy.APIError
	var key *types.KMSThrottlingException
	switch {
	case errors.As(err, &key): // a code that the SDK does not know as throttling
		return true
	case errors.As(err, &api):
		return api.ErrorFault() == smithy.FaultServer || retryable(err)
	case errors.As(err, &network):
		return true
	}
	return retryable(err)
}

// retryable asks the SDK's own judgement, which knows the codes of all services.
func retryable(err error) bool {
	return retry.IsErrorRetryables(retry.DefaultRetryables).IsErrorRetryable(err).Bool() ||
		retry.IsErrorThrottles(retry.DefaultThrottles).IsErrorThrottle(err).Bool()
}

// pack compresses a piece.
func pack(piece []byte) ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(piece); err != nil {
		return nil, fmt.Errorf("compress a piece: %w", err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("compress a piece: %w", err)
	}
	return out.Bytes(), nil
}

// denied tells an answer that the caller has no right to the call.
func denied(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && strings.HasPrefix(api.ErrorCode(), "AccessDenied")
}
