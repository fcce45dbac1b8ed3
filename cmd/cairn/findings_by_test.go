package main

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
)

// TestFindingsByRule: what was found is what was held back, tried, a mere fact or an alert, by whatever it is grouped, and the sums are those of the list.
func TestFindingsByRule(t *testing.T) {
	dir := t.TempDir()
	said(t, "replay", "--data", dir, "--no-progress")
	type groups struct {
		Days   int `json:"days"`
		Groups []struct {
			Name     string  `json:"name"`
			RuleID   string  `json:"rule_id"`
			Findings int     `json:"findings"`
			HeldBack int     `json:"held_back"`
			OnTrial  int     `json:"on_trial"`
			Facts    int     `json:"informational"`
			Alerts   int     `json:"alerts"`
			ADay     float64 `json:"alerts_a_day"`
			Loudest  string  `json:"loudest"`
		} `json:"groups"`
	}
	var list struct {
		Findings []struct {
			Title string `json:"rule_title"`
			Step  string `json:"state_reason"`
			By    string `json:"suppressed_by"`
		} `json:"findings"`
	}
	if err := json.Unmarshal([]byte(said(t, "findings", "--data", dir, "--severity", "informational", "--output", "json")), &list); err != nil {
		t.Fatal(err)
	}
	titles, wantHeld, want := map[string]bool{}, 0, 0
	for _, f := range list.Findings {
		if f.Step != "start" {
			continue
		}
		titles[f.Title] = true
		if want++; f.By != "" {
			wantHeld++
		}
	}
	for _, by := range []string{"rule", "account", "actor"} {
		var got groups
		if err := json.Unmarshal([]byte(said(t, "findings", "--by", by, "--data", dir, "--severity", "informational", "--output", "json")), &got); err != nil {
			t.Fatal(err)
		}
		findings, heldBack, last := 0, 0, 1<<30
		for _, g := range got.Groups {
			if g.Findings != g.HeldBack+g.OnTrial+g.Facts+g.Alerts || g.Alerts > last || (g.RuleID != "") != (by == "rule") || (g.Loudest != "") != (g.Alerts > 0) {
				t.Errorf("by %s: %+v", by, g)
			}
			if by == "rule" && !titles[g.Name] {
				t.Errorf("%s is in no list", g.Name)
			}
			findings, heldBack, last = findings+g.Findings, heldBack+g.HeldBack, g.Alerts
		}
		if got.Days != 1 || findings != want || heldBack != wantHeld || wantHeld == 0 {
			t.Errorf("by %s: %d findings, %d held back on %d days; want %d, %d and the one day of the sample", by, findings, heldBack, got.Days, want, wantHeld)
		}
	}
	text := said(t, "findings", "--by", "actor", "--data", dir)
	if !strings.HasPrefix(text, "ACTOR") || !strings.Contains(text, "user/svc-backup-sync") || !strings.Contains(text, "1 day with events") {
		t.Error(text)
	}
	if code, _, errs := cairn(t, "findings", "--by", "colour", "--data", dir); code != exitUsage || !strings.Contains(errs, "rule, account, actor") {
		t.Errorf("exit status %d, %q", code, errs)
	}
}
