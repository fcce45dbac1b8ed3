package gen

import (
	"slices"
	"testing"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/rule/pack"
)

// matcher holds the bundled rules.
func matcher(t *testing.T) *rule.Matcher {
	t.Helper()
	set, _, err := rule.Load(rule.Options{}, pack.FS())
	if err != nil {
		t.Fatal(err)
	}
	return set.Matcher()
}

// matches returns the names of the rules that meet a record.
func matches(t *testing.T, m *rule.Matcher, r *Record) []string {
	t.Helper()
	e, err := cloudtrail.Parse(r.JSON)
	if err != nil {
		t.Fatalf("%v: %s", err, r.JSON)
	}
	var names []string
	for _, found := range m.Match(e) {
		names = append(names, found.Name)
	}
	return names
}

// TestStoryIsFound plays the sample against the bundled rules: each of these calls of the intruder is found, and nothing that
// anybody else does is.
func TestStoryIsFound(t *testing.T) {
	want := map[string]string{
		"CreateAccessKey": "access_key_for_another_user", "AttachUserPolicy": "admin_policy_attached", "CreateLoginProfile": "login_profile_set",
		"ConsoleLogin": "console_login_without_mfa", "StopLogging": "trail_stopped_or_weakened", "DeleteDetector": "monitoring_disabled",
		"DeleteFlowLogs": "monitoring_disabled",
		"RunInstances":   "accelerated_instance_requested", "ModifySnapshotAttribute": "image_or_snapshot_shared",
		"ModifyImageAttribute": "image_or_snapshot_made_public", "ModifyDBSnapshotAttribute": "image_or_snapshot_shared",
		"DeleteBucketPublicAccessBlock": "public_access_block_removed", "PutBucketPolicy": "bucket_made_public",
		"UpdateAssumeRolePolicy": "role_trust_opened", "UpdateFunctionCode20150331v2": "lambda_changed_or_opened",
		"AddPermission20150331v2": "lambda_made_public", "ScheduleKeyDeletion": "key_deletion_scheduled", "LeaveOrganization": "organization_left",
	}
	m := matcher(t)
	found := map[string]bool{}
	for r := range generator(t, sampleOptions()).Events() {
		names := matches(t, m, &r)
		if r.Label == nil && len(names) > 0 {
			t.Errorf("%v meets ordinary work: %s", names, r.JSON)
		}
		if r.Label != nil && slices.Contains(names, want[r.Name]) {
			found[r.Name] = true
		}
	}
	for name, ruleName := range want {
		if !found[name] {
			t.Errorf("%s does not meet %s", ruleName, name)
		}
	}
}

// TestOrdinaryWorkIsQuiet holds that the generator's people and programs do nothing for which a rule was written, however long one
// looks, apart from the visits of root.
func TestOrdinaryWorkIsQuiet(t *testing.T) {
	m := matcher(t)
	for r := range generator(t, Options{Seed: 11, Accounts: 10, EventsPerDay: 1000, Duration: 3 * day}).Events() {
		if names := matches(t, m, &r); len(names) > 0 && !slices.Equal(names, []string{"root_used"}) {
			t.Errorf("%v meets %s", names, r.JSON)
		}
	}
}
