package fault

import (
	"context"
	"math/rand/v2"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// Fate is what becomes of a call.
type Fate int

// The fates. Only Forward, Reply and Repeat end with a whole answer; after all others the client's connection is broken.
const (
	// Forward passes the call on and its answer back.
	Forward Fate = iota
	// Reply answers with Rule.Answer; the service never hears of the call.
	Reply
	// Lose breaks the connection; the service never hears of the call.
	Lose
	// LoseAnswer passes the whole call on, waits for the answer and throws it away: for the client it may or may not have worked.
	LoseAnswer
	// CutRequest passes on the head and at most Rule.Bytes bytes of the body of the request and then breaks both connections.
	CutRequest
	// CutAnswer passes the call on, and back the head and Rule.Bytes bytes of the body of its answer.
	CutAnswer
	// Repeat passes the call on twice, as something on the way may do on its own account, and back the second answer: a
	// conditional write meets its own success.
	Repeat
)

func (f Fate) String() string {
	return [...]string{"forward", "reply", "lose", "lose answer", "cut request", "cut answer", "repeat"}[f]
}

// Call is one request as the proxy saw it.
type Call struct {
	Operation string // "PutRecords"; see the package comment for S3
	Method    string
	Path      string // unescaped
	Query     string
	Number    int // this is the n-th call of its operation, from 1
	Start     time.Time

	Header http.Header // for hooks and rules; not kept in the log
	Body   []byte      // likewise; nil for S3 unless the rule is Late or repeats, as objects are streamed

	// Known after the call:

	Took   time.Duration // until the answer began
	Fate   Fate
	Status int   // of the answer, 0 when there was none
	Err    error // why the service could not be reached, or its answer not be brought home
}

// Hook is called in the middle of a call. It may block; ctx ends when the client has gone or the proxy is closed. The Call is
// its own copy.
type Hook func(ctx context.Context, c Call)

// Rule says what becomes of some of the calls. Its empty members match every call.
type Rule struct {
	Operation string
	Method    string
	Path      *regexp.Regexp // found in the unescaped path: "/bucket/key" for S3
	Contains  string         // found in the body; never in S3's
	Calls     Calls          // which of the calls that match so far

	// The steps, in the order in which they are taken.

	Delay  time.Duration
	Before Hook // nil: none
	Fate   Fate
	Answer Answer // with Reply
	Bytes  int64  // with CutRequest and CutAnswer
	After  Hook   // when the service has answered (or could not) and the client has heard nothing yet; also after Lose and Reply. nil: none

	// Late reads the body first and passes the call on even when the client has given up while Delay or Before held it: a write
	// that arrives when nobody expects it any more.
	Late bool
}

func (r *Rule) matches(c *Call) bool {
	return (r.Operation == "" || r.Operation == c.Operation) &&
		(r.Method == "" || r.Method == c.Method) &&
		(r.Path == nil || r.Path.MatchString(c.Path)) &&
		(r.Contains == "" || strings.Contains(string(c.Body), r.Contains))
}

// Calls chooses from a numbered sequence of calls. The zero value chooses all.
type Calls struct {
	First, Last int     // the range, from 1; Last 0: no end
	Step        int     // every so many calls of the range, the first one after as many; 0 and 1: all
	Share       float64 // of those, by chance; 0: all
	Seed        uint64  // of the chance. Whether a number is chosen depends on it and the number only
}

// Nth chooses one call.
func Nth(n int) Calls { return Calls{First: n, Last: n} }

// Between chooses the calls from first to last, both included.
func Between(first, last int) Calls { return Calls{First: first, Last: last} }

// From chooses the n-th call and all later ones.
func From(n int) Calls { return Calls{First: n} }

// Every chooses calls n, 2n, 3n and so on.
func Every(n int) Calls { return Calls{Step: n} }

// Sometimes chooses each call with the given probability, the same ones for the same seed.
func Sometimes(share float64, seed uint64) Calls { return Calls{Share: share, Seed: seed} }

func (c Calls) chooses(n int) bool {
	if n < c.First || c.Last > 0 && n > c.Last {
		return false
	}
	if c.Step > 1 && (n-max(c.First, 1)+1)%c.Step != 0 {
		return false
	}
	return c.Share == 0 || rand.New(rand.NewPCG(c.Seed, uint64(n))).Float64() < c.Share
}

// Injected is a rule at work in a proxy.
type Injected struct {
	proxy *Proxy
	rule  Rule
	seen  int // calls that matched
	hits  int // those of them that Calls chose
}

// Hits is how many calls the rule has been applied to.
func (i *Injected) Hits() int {
	i.proxy.mu.Lock()
	defer i.proxy.mu.Unlock()
	return i.hits
}

// Remove takes the rule out. Calls that it holds go on as it says.
func (i *Injected) Remove() { i.proxy.remove(i) }
