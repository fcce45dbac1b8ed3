package gen

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestOptionsAreChecked(t *testing.T) {
	for _, bad := range []struct {
		o    Options
		want string
	}{
		{Options{Accounts: -1}, "accounts"},
		{Options{Duration: -time.Hour}, "negative"},
		{Options{EventsPerDay: -5}, "events a day"},
		{Options{Accounts: 2, Attacks: 3}, "attacks"},
		{Options{DuplicatesPerMillion: 2_000_000}, "duplicates"},
		{Options{Clump: 90 * time.Second}, "whole minutes"},
	} {
		if _, err := New(bad.o); err == nil || !strings.Contains(err.Error(), bad.want) {
			t.Errorf("%+v: error %v, want one about %s", bad.o, err, bad.want)
		}
	}
}

func TestVolumeIsMet(t *testing.T) {
	for _, o := range []Options{
		{Seed: 1, Accounts: 5, EventsPerDay: 2000},
		{Seed: 2, Accounts: 1, EventsPerDay: 3000, Duration: 2 * day},
		{Seed: 3, Accounts: 17, EventsPerDay: 500},
	} {
		want := o.EventsPerDay * o.Accounts * int(max(o.Duration, day)/day)
		got := 0
		for range generator(t, o).Events() {
			got++
		}
		if got < want*95/100 || got > want*105/100 {
			t.Errorf("%+v: %d events, want about %d", o, got, want)
		}
	}
}

func TestPeopleWorkByDayAndRestAtWeekends(t *testing.T) {
	byHour, byDay := map[int]int{}, map[time.Weekday]int{}
	for r := range generator(t, Options{Seed: 4, Accounts: 5, EventsPerDay: 1000, Duration: 7 * day}).Events() {
		if !strings.Contains(string(r.JSON), "AWSReservedSSO_") {
			continue
		}
		byHour[r.Time.Hour()]++
		byDay[r.Time.Weekday()]++
	}
	if noon, night := byHour[10]+byHour[14], byHour[2]+byHour[3]; noon < 20*max(night, 1) {
		t.Errorf("%d calls of people at 10 and 14 h, %d at 2 and 3 h", noon, night)
	}
	if byDay[time.Wednesday] < 4*byDay[time.Sunday] {
		t.Errorf("%d calls of people on Wednesday, %d on Sunday", byDay[time.Wednesday], byDay[time.Sunday])
	}
}

func TestTrafficIsVaried(t *testing.T) {
	sources, names, kinds, versions, errors := map[string]int{}, map[string]int{}, map[string]int{}, map[string]int{}, 0
	for r := range generator(t, Options{Seed: 5, Accounts: 5, EventsPerDay: 2000}).Events() {
		var m struct {
			EventSource, EventVersion, ErrorCode string
			UserIdentity                         struct{ Type string }
		}
		if err := json.Unmarshal(r.JSON, &m); err != nil {
			t.Fatal(err)
		}
		sources[m.EventSource]++
		names[r.Name]++
		kinds[m.UserIdentity.Type]++
		versions[m.EventVersion]++
		if m.ErrorCode != "" {
			errors++
		}
	}
	if len(sources) < 25 || len(names) < 120 || len(versions) != 4 {
		t.Errorf("%d services, %d calls, versions %v; want 25, 120 and all of 1.08 to 1.11", len(sources), len(names), versions)
	}
	for _, kind := range []string{"IAMUser", "AssumedRole", "AWSService", "SAMLUser", "WebIdentityUser", "AWSAccount"} {
		if kinds[kind] == 0 {
			t.Errorf("no identity of type %s", kind)
		}
	}
	if errors < 50 || errors > 1000 {
		t.Errorf("%d of 10,000 calls failed; want a few percent", errors)
	}
}

// A session is used under the access key that the issuing call returned, by the same principal, and not before it.
func TestSessionsComeFromTheCallsThatIssuedThem(t *testing.T) {
	type record struct {
		EventTime        time.Time
		UserIdentity     struct{ Type, AccessKeyID, PrincipalID string }
		ResponseElements struct {
			Credentials     struct{ AccessKeyID string }
			AssumedRoleUser struct{ AssumedRoleID string }
		}
	}
	var all []record
	issued := map[string]record{}
	for r := range generator(t, Options{Seed: 6, Accounts: 5, EventsPerDay: 800}).Events() {
		var m record
		if err := json.Unmarshal(r.JSON, &m); err != nil {
			continue // responseElements of another form
		}
		all = append(all, m)
		if key := m.ResponseElements.Credentials.AccessKeyID; key != "" {
			issued[key] = m
		}
	}
	sessions := 0
	for _, m := range all {
		if m.UserIdentity.Type != "AssumedRole" {
			continue
		}
		sessions++
		from, ok := issued[m.UserIdentity.AccessKeyID]
		if !ok || from.EventTime.After(m.EventTime) || from.ResponseElements.AssumedRoleUser.AssumedRoleID != m.UserIdentity.PrincipalID {
			t.Fatalf("the session %+v of %s was issued by %+v", m.UserIdentity, m.EventTime, from)
		}
	}
	if sessions < 1000 {
		t.Fatalf("only %d calls by sessions", sessions)
	}
}

func TestDuplicatesRepeatTheirRecord(t *testing.T) {
	first, twice := map[string]Record{}, 0
	total := 0
	for r := range generator(t, Options{Seed: 8, Accounts: 5, EventsPerDay: 1000, DuplicatesPerMillion: 20_000}).Events() {
		total++
		old, seen := first[r.ID]
		if !seen {
			first[r.ID] = r
			continue
		}
		twice++
		if string(old.JSON) != string(r.JSON) || !old.Delivered.Before(r.Delivered) {
			t.Fatalf("%s delivered at %s and %s", r.ID, old.Delivered, r.Delivered)
		}
	}
	if twice < total/100 || twice > total/33 {
		t.Errorf("%d of %d records came twice, want about 2 %%", twice, total)
	}
}

func TestEachAttackIsLabelled(t *testing.T) {
	names := Attacks()
	technique := func(id string) bool { return len(id) >= 5 && id[0] == 'T' && id[1] == '1' }
	steps := map[string]int{}
	for r := range generator(t, Options{Seed: 9, Accounts: len(names), EventsPerDay: 100, Attacks: len(names)}).Events() {
		if r.Label == nil {
			continue
		}
		steps[r.Label.Attack]++
		if !technique(r.Label.Technique) || r.Label.Step == "" {
			t.Errorf("label %+v of %s", *r.Label, r.Name)
		}
	}
	for _, name := range names {
		if steps[name] < 2 {
			t.Errorf("%d records of %q", steps[name], name)
		}
	}
	if len(steps) != len(names) {
		t.Errorf("attacks %v, want %v", steps, names)
	}
}

func TestEventsStopsWhenAsked(t *testing.T) {
	var ids []string
	for r := range generator(t, small).Events() {
		ids = append(ids, r.ID)
		if len(ids) == 10 {
			break
		}
	}
	all := []string{}
	for r := range generator(t, small).Events() {
		all = append(all, r.ID)
	}
	if !slices.Equal(ids, all[:10]) {
		t.Errorf("the first ten are %s, then %s", fmt.Sprint(ids), fmt.Sprint(all[:10]))
	}
}

func BenchmarkEvents(b *testing.B) {
	o := Options{Seed: 1, Accounts: 50, EventsPerDay: 1000}
	var events, size int
	for b.Loop() {
		for r := range generator(b, o).Events() {
			events++
			size += len(r.JSON)
		}
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	b.SetBytes(int64(size / max(1, b.N)))
}
