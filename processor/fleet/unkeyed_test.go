package fleet

import (
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"github.com/cairnstream/cairn/processor/kcl"
)

const (
	auto    = types.RecordDistributionStrategyAuto
	userKey = types.RecordDistributionStrategyUserPartitionKey
)

// theCounting is the id of the rule that groups.
const theCounting = "0a0b0c0d-0000-4000-8000-000000000003"

// A worker with rules that group does not begin on a stream that spreads records
// without regard to their key. It says which rules, and what can be done.
func TestUnkeyedStreamIsRefused(t *testing.T) {
	p := onStream(t, 1, single(created), counting)
	strategy := auto
	p.cfg.Kinesis = distributed(p.cfg.Kinesis, &strategy)
	err := p.worker().Run(t.Context())
	if !errors.Is(err, kcl.ErrUnkeyed) {
		t.Fatalf("%v, want ErrUnkeyed", err)
	}
	for _, part := range []string{"AUTO", theCounting, "update-stream-record-distribution-strategy", "USER_PARTITION_KEY", "--allow-unkeyed"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("no %q in: %v", part, err)
		}
	}
	if len(p.manifests()) != 0 {
		t.Error("a worker that is refused has opened shards")
	}
}

// Rules that judge one event at a time go with any stream; rules that group are
// refused when they come later.
func TestUnkeyedStreamWithRulesThatDoNotGroup(t *testing.T) {
	p := onStream(t, 1, single(created))
	strategy := auto
	p.cfg.Kinesis = distributed(p.cfg.Kinesis, &strategy)
	h := p.cfg.Metrics.Handler(false)
	r := p.run()
	f := p.follow(r.Worker, ruleFolder(t, single(created)), nil)
	p.put(events(1, 10, created)...)
	p.eventually("all is committed", func() bool { return p.sum().Findings == 10 })
	f.change("more.yml", counting)
	f.reloads(0, 1)
	if lines := p.log.lines("level=ERROR", "the rules were not reloaded", theCounting, "--allow-unkeyed"); len(lines) != 1 {
		t.Errorf("the log says: %v", p.log.lines("level=ERROR"))
	}
	page := p.page()
	if page["cairn_kcl_unkeyed"] != 1 || page["cairn_blind_rules"] != 0 {
		t.Errorf("unkeyed %v, %v rules that do not see what they should", page["cairn_kcl_unkeyed"], page["cairn_blind_rules"])
	}
	if status, _ := readyz(t, h); status != http.StatusOK {
		t.Errorf("status %d, and all is as it should be", status)
	}
}

// With --allow-unkeyed all rules run, and a metric and the log tell of it.
func TestUnkeyedStreamIsAllowed(t *testing.T) {
	p := onStream(t, 1, single(created), counting)
	strategy := auto
	p.cfg.Kinesis = distributed(p.cfg.Kinesis, &strategy)
	p.cfg.AllowUnkeyed = true
	p.run()
	p.put(events(1, 10, created)...)
	p.eventually("all is committed", func() bool { return p.sum().Rows == 10 })
	if n := p.page()["cairn_blind_rules"]; n != 1 {
		t.Errorf("%v rules that group, want 1", n)
	}
	if len(p.log.lines("level=WARN", "--allow-unkeyed", theCounting)) != 1 || len(p.log.lines("level=ERROR")) != 0 {
		t.Errorf("the log says: %v", p.log.lines())
	}
	if status, r := readyz(t, p.cfg.Metrics.Handler(false)); status != http.StatusOK {
		t.Errorf("%d %v for what the operator has accepted", status, r.Why)
	}
}

// Of a stream that is switched while a worker runs the worker makes the best: it
// goes on, is not ready, and says so; it takes no more rules that group. When the
// stream is switched back, all is well again.
func TestStreamThatIsSwitched(t *testing.T) {
	p := newPlace(t, "trail", single(created), counting)
	w := p.worker()
	h := p.cfg.Metrics.Handler(false)
	w.distribution(false)
	if status, _ := readyz(t, h); status != http.StatusOK || len(p.log.lines()) != 0 {
		t.Errorf("a stream that is as it should be: %d, %v", status, p.log.lines())
	}
	w.distribution(true)
	status, r := readyz(t, h)
	if status != http.StatusServiceUnavailable || len(r.Why) != 1 || !strings.Contains(r.Why[0], "without regard to their partition key") {
		t.Errorf("%d %v", status, r.Why)
	}
	if lines := p.log.lines("level=ERROR", "see only a part of what they group", theCounting, "--allow-unkeyed"); len(lines) != 1 {
		t.Errorf("the log says: %v", p.log.lines())
	}
	if n := p.page()["cairn_blind_rules"]; n != 1 {
		t.Errorf("%v rules, want 1", n)
	}
	if err := w.UseRules(compiled(t, counting, single(created))); !errors.Is(err, kcl.ErrUnkeyed) {
		t.Errorf("rules that group are taken: %v", err)
	}
	if err := w.UseRules(compiled(t, single(created))); err != nil {
		t.Errorf("rules that do not group: %v", err)
	}
	if status, _ := readyz(t, h); status != http.StatusOK || p.page()["cairn_blind_rules"] != 0 {
		t.Errorf("%d though the rules that group are gone", status)
	}
	w.distribution(false)
	if err := w.UseRules(compiled(t, counting, single(created))); err != nil {
		t.Errorf("rules that group, on a stream that was switched back: %v", err)
	}
	if len(p.log.lines("level=INFO", "by their partition key again")) != 1 {
		t.Errorf("the log says: %v", p.log.lines())
	}
}

func TestNamesOfManyRules(t *testing.T) {
	for want, ids := range map[string][]string{
		"":                         nil,
		"a":                        {"a"},
		"a, b, c, d, e":            {"a", "b", "c", "d", "e"},
		"a, b, c, d, e and 2 more": {"a", "b", "c", "d", "e", "f", "g"},
	} {
		if got := name(ids); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
