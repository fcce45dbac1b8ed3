package gen

import (
	"slices"
	"time"
)

// attacker is somebody who should not be here, with the credentials in use at the moment.
type attacker struct {
	w *world
	*caller
	attack string
	user   *user // the IAM user made or taken over
	mined  []*instance
}

// step is one thing that an attacker does, some seconds after the one before.
type step struct {
	wait      int
	technique string
	what      string // for the label
	do        func(a *attacker)
}

// scenario is an attack: whose credentials it begins with, and its steps.
type scenario struct {
	name  string
	begin func(w *world) *caller
	steps []step
}

const (
	outsider      = "210987654321" // the attacker's own account
	attackerIP    = "198.51.100.77"
	attackerHome  = "198.51.100.142"
	attackerAgent = "aws-cli/2.31.2 md/awscrt#0.27.6 ua/2.1 os/linux#6.16.8 md/arch#x86_64 lang/python#3.13.7 md/pyimpl#CPython"
	mineRegion    = "us-west-2" // where the organisation has nothing
)

// scenarios are the attacks of Options.Attacks; each attacked account gets one of them.
func scenarios() []scenario {
	return []scenario{
		{"leaked key", leakedKey, slices.Concat(discovery(), takeover(), blinding(), mining(), ransom())},
		{"snapshot theft", leakedKey, slices.Concat(discovery(), theft())},
		{"backdoor", stolenSession, backdoors()},
		{"crypto mining", leakedKey, slices.Concat(discovery(), mining())},
		{"secrets burst", stolenSession, secrets()},
		{"sign-in guessed", guest, guessing()},
		{"root without a second factor", guest, rootUse()},
		{"ransom", stolenSession, slices.Concat(blinding(), ransom())},
	}
}

// Attacks returns the names of the attacks that Options.Attacks draws from.
func Attacks() []string {
	var names []string
	for _, s := range scenarios() {
		names = append(names, s.name)
	}
	return names
}

// scheduleAttack gives the first accounts of Options.Attacks an attack each, at some time of the corpus; the bundled sample gets
// its story instead.
func (w *world) scheduleAttack(g *Generator) {
	if g.opts.story {
		if w.account.index == 1 {
			w.play(story(), w.opts.Start.Add(11*time.Hour+42*time.Minute))
		}
		return
	}
	if w.account.index >= g.opts.Attacks {
		return
	}
	all := scenarios()
	seconds := max(1, int64(w.opts.Duration/time.Second)*2/3)
	start := w.opts.Start.Add(time.Duration(w.rng.Int64N(seconds)) * time.Second)
	w.play(all[w.account.index%len(all)], start)
}

// play puts the steps of an attack on the queue. Attacks do not count against the volume of a corpus.
func (w *world) play(s scenario, start time.Time) {
	a := &attacker{w: w, attack: s.name}
	w.at(start, nil, func() { a.caller = s.begin(w) })
	for _, st := range s.steps {
		start = start.Add(time.Duration(st.wait) * time.Second)
		w.at(start, nil, func() {
			if st.technique != "" {
				w.label = &Label{Attack: s.name, Step: st.what, Technique: st.technique}
			}
			st.do(a)
			w.label = nil
		})
	}
}

// leakedKey is the key of the old build user, found in a public repository.
func leakedKey(w *world) *caller {
	c := *w.byKey(w.users[0])
	c.ip, c.agent = attackerIP, attackerAgent
	return &c
}

// stolenSession is a session of a web server's role, taken from its metadata service and used from elsewhere.
func stolenSession(w *world) *caller {
	c := *w.workload("ec2", "web-instance", w.server().id)
	c.ip, c.agent = attackerIP, attackerAgent
	return &c
}

// guest has no credentials yet.
func guest(*world) *caller { return &caller{ip: attackerHome, agent: browsers[1]} }

// discovery asks who and where it is. Most of the questions are refused.
func discovery() []step {
	ask := func(wait int, technique, source, name string, allowed bool) step {
		return step{wait, technique, "asks " + source + ":" + name, func(a *attacker) {
			if allowed {
				a.w.look(a.caller, look{source, name})
				return
			}
			a.w.denied(a.caller, source, name, "*")
		}}
	}
	return []step{
		ask(5, "T1087.004", "sts", "GetCallerIdentity", true),
		ask(31, "T1069.003", "iam", "ListAttachedUserPolicies", true),
		ask(4, "T1069.003", "iam", "ListGroupsForUser", true),
		ask(14, "T1087.004", "iam", "ListUsers", false),
		ask(3, "T1087.004", "iam", "ListRoles", false),
		ask(3, "T1087.004", "iam", "GetAccountAuthorizationDetails", false),
		ask(25, "T1619", "s3", "ListBuckets", true),
		ask(18, "T1580", "ec2", "DescribeInstances", true),
		ask(6, "T1580", "ec2", "DescribeSecurityGroups", true),
		ask(5, "T1580", "ec2", "DescribeSnapshots", true),
		ask(12, "T1580", "rds", "DescribeDBSnapshots", false),
		ask(7, "T1526", "lambda", "ListFunctions20150331", false),
		ask(9, "T1555.006", "secretsmanager", "ListSecrets", false),
		ask(11, "T1526", "kms", "ListKeys", false),
		ask(8, "T1526", "ses", "GetSendQuota", false),
		ask(4, "T1526", "organizations", "DescribeOrganization", false),
		ask(16, "T1654", "cloudtrail", "DescribeTrails", true),
		ask(5, "T1518.001", "guardduty", "ListDetectors", false),
	}
}

// takeover makes a user of its own, with all rights.
func takeover() []step {
	return []step{
		{820, "T1136.003", "makes a user with a harmless name", func(a *attacker) {
			a.user = &user{name: "svc-backup-sync", id: userID(a.w.rng), key: longKey(a.w.rng)}
			a.w.createUser(a.caller, a.user.name)
		}},
		{38, "T1098.001", "makes an access key for that user", func(a *attacker) { a.w.createKey(a.caller, a.user.name, a.user.key) }},
		{35, "T1098.003", "gives that user every right", func(a *attacker) {
			a.w.emit(call{by: a.caller, source: "iam", name: "AttachUserPolicy", params: obj("userName", a.user.name, "policyArn", "arn:aws:iam::aws:policy/AdministratorAccess")})
		}},
		{52, "T1098", "sets a password for that user", func(a *attacker) {
			a.w.emit(call{by: a.caller, source: "iam", name: "CreateLoginProfile", params: obj("userName", a.user.name, "passwordResetRequired", false),
				response: obj("loginProfile", obj("userName", a.user.name, "createDate", a.w.now.Format(stampWords), "passwordResetRequired", false))})
		}},
		{765, "T1078.004", "signs in without a second factor", func(a *attacker) {
			a.signIn(a.user)
		}},
		{44, "T1580", "looks around in the console", func(a *attacker) { a.w.look(a.caller, look{"ec2", "DescribeInstances"}) }},
		{2, "T1580", "looks around in the console", func(a *attacker) { a.w.look(a.caller, look{"rds", "DescribeDBInstances"}) }},
		{31, "T1654", "looks for the trails", func(a *attacker) { a.w.look(a.caller, look{"cloudtrail", "DescribeTrails"}) }},
	}
}

// signIn goes on in the console as a user, from home.
func (a *attacker) signIn(u *user) {
	from := &caller{ip: attackerHome, agent: browsers[1]}
	a.w.signIn(u, from, true, "No")
	a.caller = a.w.consoleUser(u, from, false)
}

// blinding switches off what would tell on the attacker.
func blinding() []step {
	return []step{
		{240, "T1562.008", "stops the account's trail", func(a *attacker) {
			a.w.emit(call{by: a.caller, source: "cloudtrail", name: "StopLogging", params: obj("name", a.w.arn("cloudtrail", "trail/"+a.w.account.name))})
		}},
		{95, "T1562.001", "deletes the threat detector", func(a *attacker) {
			a.w.emit(call{by: a.caller, source: "guardduty", name: "DeleteDetector", params: obj("detectorId", hex(a.w.rng, 32))})
		}},
		{88, "T1562.008", "deletes the network's flow logs", func(a *attacker) {
			a.w.emit(call{by: a.caller, source: "ec2", name: "DeleteFlowLogs",
				params:   obj("DeleteFlowLogsRequest", obj("FlowLogId", obj("tag", 1, "content", ec2ID(a.w.rng, "fl")))),
				response: obj("DeleteFlowLogsResponse", obj("xmlns", "http://ec2.amazonaws.com/doc/2016-11-15/", "requestId", uuid(a.w.rng), "unsuccessful", ""))})
		}},
	}
}

// mining opens a door and starts machines with graphics processors in a region that nobody watches.
func mining() []step {
	return []step{
		{170, "T1562.007", "opens SSH to the world", func(a *attacker) { a.w.openPort(a.caller, a.w.group, 22, "0.0.0.0/0") }},
		{310, "T1496.001", "asks for very large machines", func(a *attacker) { a.mineRefused() }},
		{24, "T1496.001", "starts machines with graphics processors", func(a *attacker) { a.mine() }},
	}
}

func (a *attacker) mineRefused() {
	a.w.emit(call{by: a.caller, source: "ec2", name: "RunInstances", region: mineRegion, err: "Client.VcpuLimitExceeded",
		errText: "You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance bucket that the specified instance type belongs to.",
		params: obj("instancesSet", items(obj("imageId", ec2ID(a.w.rng, "ami"), "minCount", 8, "maxCount", 8)), "instanceType", "p4d.24xlarge",
			"blockDeviceMapping", obj(), "monitoring", obj("enabled", false), "disableApiTermination", true)})
}

// mine starts two machines. Their network is the region's default one, of which the estate knows nothing.
func (a *attacker) mine() {
	w := a.w
	home, subnet := w.region, ec2ID(w.rng, "subnet")
	w.region = mineRegion
	for range 2 {
		i := &instance{id: ec2ID(w.rng, "i"), kind: "g5.12xlarge", subnet: subnet, group: ec2ID(w.rng, "sg"), ip: "172.31.16." + text(w.rng, "123456789", 2)}
		w.runInstance(a.caller, i, "render", "media")
		a.mined = append(a.mined, i)
	}
	w.region = home
}

// ransom makes data unreadable, and with the backups the way back.
func ransom() []step {
	return []step{
		{600, "T1485", "lets the account's key be deleted", func(a *attacker) {
			w := a.w
			w.emit(call{by: a.caller, source: "kms", name: "ScheduleKeyDeletion", params: obj("keyId", w.key, "pendingWindowInDays", 7),
				response:  obj("keyId", w.keyARN(), "deletionDate", w.now.Add(7*24*time.Hour).Format(stampWords), "keyState", "PendingDeletion", "pendingWindowInDays", 7),
				resources: []raw{onResource(w.account.id, "AWS::KMS::Key", w.keyARN())}})
		}},
		{130, "T1490", "deletes a backup", (*attacker).deleteBackup},
		{4, "T1490", "deletes a backup", (*attacker).deleteBackup},
		{5, "T1490", "deletes a backup", (*attacker).deleteBackup},
		{240, "T1666", "tries to leave the organisation", func(a *attacker) {
			a.w.emit(call{by: a.caller, source: "organizations", name: "LeaveOrganization", err: "AccessDeniedException",
				errText: "You don't have permissions to access this resource."})
		}},
	}
}

func (a *attacker) deleteBackup() {
	w := a.w
	id := ec2ID(w.rng, "snap")
	if n := len(w.snapshots); n > 0 {
		id, w.snapshots = w.snapshots[0], w.snapshots[1:]
	}
	w.emit(call{by: a.caller, source: "ec2", name: "DeleteSnapshot", params: obj("snapshotId", id), response: w.ok()})
}
