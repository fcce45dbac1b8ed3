package detect

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/cairnstream/cairn/processor/baseline"
	"github.com/cairnstream/cairn/state"
	"github.com/cairnstream/cairn/state/key"
)

// TestEngineAtDefaults runs generated principals through the engine, event by
// event, as a shard does, with the defaults of a rule: gates, episodes with
// windows held back, early starts. The attacks that it finds and the false
// findings that it makes must be those that the model alone promises.
func TestEngineAtDefaults(t *testing.T) {
	if testing.Short() {
		t.Skip("ten million events")
	}
	store, err := state.Open("", state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	e, err := baseline.NewEngine(store, []baseline.Rule{{ID: "r", StateHash: "h", Baseline: &baseline.Spec{By: []string{"actor.root"}}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Restore(time.Time{}); err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(77, 1))
	keys := make([]*synthKey, 240)
	days := 0.0
	for i := range keys {
		keys[i] = newKey(rng, usual)
		days += float64(synthWindows-max(keys[i].born, synthTest*dayWindows)) / dayWindows
	}
	found := map[*synthKey]bool{}
	false1, attacked := 0, 0
	for w := range synthWindows {
		for _, f := range feed(t, e, keys, w) {
			i, _ := strconv.Atoi(f.Key[0])
			k, first := keys[i], int(f.First.Unix()-synthEpoch)/300
			switch {
			case w < synthTest*dayWindows || f.Step == baseline.End:
			case k.from < k.to && first >= k.from && first < k.to+2*hourWindows:
				found[k] = true
			case f.Step == baseline.Start:
				false1++
			}
		}
	}
	for _, k := range keys {
		if k.from < k.to {
			attacked++
		}
	}
	recall, alarms := 100*float64(len(found))/float64(attacked), float64(false1)/days
	t.Logf("%.0f %% of %d attacks, %.4f false findings per principal and day", recall, attacked, alarms)
	if recall < 60 || alarms > 0.012 {
		t.Errorf("recall %.0f %%, %.4f false findings per principal and day", recall, alarms)
	}
}

// feed sends a window's events and closes it.
func feed(t *testing.T, e *baseline.Engine, keys []*synthKey, w int) (out []baseline.Finding) {
	at := time.Unix(synthEpoch+int64(w)*300, 0)
	take := func(found []baseline.Finding, err error) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, found...)
	}
	for i, k := range keys {
		account := strconv.Itoa(i / accountKeys)
		ev := baseline.Event{ID: "x", Time: at, Hash: key.HashOf(account), Account: account, Key: []string{strconv.Itoa(i)}}
		for range k.counts[w] {
			take(e.Event("r", &ev))
		}
	}
	take(e.Advance(at.Add(300 * time.Second)))
	if w%hourWindows == 0 {
		if err := e.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	return out
}
