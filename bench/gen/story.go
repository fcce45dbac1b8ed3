package gen

import "slices"

// The bundled sample: one Tuesday of Larkfield, which lends bicycles, and the intrusion of that day. README.md tells it.

// sampleOptions are those of the bundled sample.
func sampleOptions() Options {
	return Options{Seed: 20260303, Accounts: 5, EventsPerDay: 480, DuplicatesPerMillion: 3000, Clump: sampleClump, story: true,
		ids: []string{"111122223333", "444455556666", "777788889999", "123456789012", "555566667777"}}
}

// story is the intrusion: the steps of the other attacks in one, with what the organisation did about it at the end.
func story() scenario {
	steps := slices.Concat(discovery(), takeover(), blinding(), mining(), theft(), secrets(), backdoors(), ransom(), response())
	return scenario{"story", leakedKey, steps}
}

// response undoes what was done. Its steps have no technique: they are the organisation's own work, and it is for a reader of
// findings to tell them from the attacker's.
func response() []step {
	by := func(wait int, do func(w *world, c *caller, a *attacker)) step {
		return step{wait, "", "", func(a *attacker) { do(a.w, a.w.desk(a.w.staff.people[0]), a) }}
	}
	return []step{
		by(1500, func(w *world, c *caller, _ *attacker) {
			w.emit(call{by: c, source: "cloudtrail", name: "LookupEvents", read: true, params: obj("maxResults", 50, "lookupAttributes", list(obj("attributeKey", "EventName", "attributeValue", "StopLogging")))})
		}),
		by(140, func(w *world, c *caller, _ *attacker) { w.disableKey(c, w.users[0].name, w.users[0].key) }),
		by(30, func(w *world, c *caller, a *attacker) { w.disableKey(c, a.user.name, a.user.key) }),
		by(26, func(w *world, c *caller, a *attacker) {
			w.emit(call{by: c, source: "iam", name: "DeleteLoginProfile", params: obj("userName", a.user.name)})
		}),
		by(33, func(w *world, c *caller, a *attacker) {
			w.emit(call{by: c, source: "iam", name: "DetachUserPolicy", params: obj("userName", a.user.name, "policyArn", "arn:aws:iam::aws:policy/AdministratorAccess")})
		}),
		by(45, func(w *world, c *caller, _ *attacker) {
			w.emit(call{by: c, source: "cloudtrail", name: "StartLogging", params: obj("name", w.arn("cloudtrail", "trail/"+w.account.name))})
		}),
		by(80, (*world).stopMining),
		by(60, func(w *world, c *caller, _ *attacker) { w.closePort(c, w.group, 22, "0.0.0.0/0") }),
		by(120, func(w *world, c *caller, _ *attacker) {
			w.bucketCall(c, "PutBucketPublicAccessBlock", w.buckets[2], "publicAccessBlock", "", "PublicAccessBlockConfiguration", obj("BlockPublicAcls", true, "IgnorePublicAcls", true, "BlockPublicPolicy", true, "RestrictPublicBuckets", true))
		}),
		by(50, func(w *world, c *caller, _ *attacker) {
			w.emit(call{by: c, source: "kms", name: "CancelKeyDeletion", params: obj("keyId", w.key), response: obj("keyId", w.keyARN()),
				resources: []raw{onResource(w.account.id, "AWS::KMS::Key", w.keyARN())}})
		}),
	}
}

func (w *world) disableKey(c *caller, user, key string) {
	w.emit(call{by: c, source: "iam", name: "UpdateAccessKey", params: obj("userName", user, "accessKeyId", key, "status", "Inactive")})
}

// stopMining terminates the attacker's machines in their region.
func (w *world) stopMining(c *caller, a *attacker) {
	home := w.region
	w.region = mineRegion
	for _, i := range a.mined {
		w.terminate(c, i)
	}
	w.region = home
}
