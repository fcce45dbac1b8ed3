package gen

import "fmt"

// peopleWork are the activities of people and of the pipelines that they start.
func peopleWork() []*activity {
	return []*activity{
		{name: "looks around", weight: 40, run: looksAround},
		{name: "runs a script", weight: 12, run: runsScript},
		{name: "reads the trail", weight: 6, run: readsTrail},
		{name: "may not", weight: 5, run: mayNot},
		{name: "user signs in", weight: 2, run: userSignsIn},
		{name: "deploy", weight: 9, kinds: "production staging", run: deploy},
		{name: "release of a function", weight: 6, kinds: "production staging data", run: release},
		{name: "stack update", weight: 4, kinds: "production staging data", run: stackUpdate},
		{name: "development box", weight: 6, kinds: "staging data", run: developmentBox},
		{name: "trial database", weight: 3, kinds: "staging data", run: trialDatabase},
		{name: "new function", weight: 4, kinds: "staging data production", run: newFunction},
		{name: "export bucket", weight: 3, kinds: "staging data production", run: exportBucket},
		{name: "new role", weight: 3, run: roleForService},
		{name: "new key of KMS", weight: 1, kinds: "production data security", run: newKey},
		{name: "new secret", weight: 2, kinds: "production staging", run: newSecret},
		{name: "parameter", weight: 5, kinds: "production staging", run: parameter},
		{name: "new queue", weight: 2, kinds: "production staging", run: newQueue},
		{name: "new table", weight: 2, kinds: "staging data", run: newTable},
		{name: "new image", weight: 1, kinds: "production", run: newImage},
		{name: "port for a partner", weight: 1, kinds: "production staging", run: portForPartner},
		{name: "record in the zone", weight: 2, kinds: "production management", run: zoneRecord},
		{name: "key rotation", weight: 1, run: keyRotation},
		{name: "visit of root", weight: 1, kinds: "management", run: rootVisits},
		{name: "new colleague", weight: 1, kinds: "management", run: newColleague},
	}
}

var consoleLook = []look{{"ec2", "DescribeInstances"}, {"ec2", "DescribeSecurityGroups"}, {"ec2", "DescribeVpcs"}, {"ec2", "DescribeSubnets"}, {"ec2", "DescribeRegions"},
	{"ec2", "DescribeVolumes"}, {"ec2", "DescribeImages"}, {"ec2", "DescribeAccountAttributes"}, {"monitoring", "DescribeAlarms"}, {"s3", "ListBuckets"}, {"s3", "GetBucketAcl"},
	{"rds", "DescribeDBInstances"}, {"rds", "DescribeDBClusters"}, {"lambda", "ListFunctions20150331"}, {"ecs", "ListClusters"}, {"ecs", "DescribeServices"},
	{"logs", "DescribeLogGroups"}, {"cloudformation", "DescribeStacks"}, {"iam", "ListRoles"}, {"iam", "ListUsers"}, {"kms", "ListAliases"}, {"health", "DescribeEventAggregates"},
	{"elasticloadbalancing", "DescribeLoadBalancers"}, {"autoscaling", "DescribeAutoScalingGroups"}, {"route53", "ListHostedZones"}, {"acm", "ListCertificates"},
	{"servicequotas", "ListServiceQuotas"}, {"cloudfront", "ListDistributions"}, {"sqs", "ListQueues"}, {"resource-explorer-2", "ListIndexes"}}

// looksAround is somebody in the console: each page asks several services at once.
func looksAround(w *world) {
	c := w.anyone()
	for range 2 + w.rng.IntN(4) {
		w.look(c, pick(w.rng, consoleLook...))
	}
	if w.chance(50) {
		w.soon(func() { w.look(c, pick(w.rng, consoleLook...)) })
	}
}

// runsScript is a user with a key on the command line.
func runsScript(w *world) {
	c := w.byKey(w.users[1])
	w.look(c, look{"sts", "GetCallerIdentity"})
	for i := range 1 + w.rng.IntN(4) {
		w.after(1+2*i, func() {
			w.look(c, pick(w.rng, look{"s3", "ListBuckets"}, look{"s3", "GetBucketTagging"}, look{"ce", "GetCostAndUsage"}, look{"rds", "DescribeDBSnapshots"}, look{"ec2", "DescribeSnapshots"}))
		})
	}
}

func readsTrail(w *world) {
	c := w.anyone()
	w.emit(call{by: c, source: "cloudtrail", name: "LookupEvents", read: true, params: obj("maxResults", 50,
		"lookupAttributes", list(obj("attributeKey", "ReadOnly", "attributeValue", "false")))})
	if w.chance(30) {
		w.look(c, look{"cloudtrail", "DescribeTrails"})
	}
}

// mayNot is a call that somebody is not allowed to make: harmless, and part of every day.
func mayNot(w *world) {
	l := pick(w.rng, look{"ce", "GetCostForecast"}, look{"organizations", "ListAccounts"}, look{"guardduty", "ListDetectors"}, look{"ec2", "DescribeFlowLogs"}, look{"support", "DescribeCases"})
	w.denied(w.anyone(), l.source, l.name, "*")
}

// userSignsIn is an IAM user with a second factor, who mistypes now and then.
func userSignsIn(w *world) {
	u := w.users[2]
	browser := &caller{ip: "203.0.113.5", agent: browsers[0]}
	if w.chance(20) {
		w.signIn(u, browser, false, "Yes")
		w.after(9, func() { w.signIn(u, browser, true, "Yes") })
		return
	}
	w.signIn(u, browser, true, "Yes")
}

// signIn is the console sign-in of an IAM user.
func (w *world) signIn(u *user, from *caller, good bool, mfa string) {
	by := *from
	by.identity = obj("type", "IAMUser", "principalId", u.id, "arn", w.iam("user/"+u.name), "accountId", w.account.id, "userName", u.name)
	c := call{by: &by, source: "signin", name: "ConsoleLogin", kind: "AwsConsoleSignIn", response: obj("ConsoleLogin", "Success"),
		extra: obj("LoginTo", "https://console.aws.amazon.com/console/home", "MobileVersion", "No", "MFAUsed", mfa)}
	if !good {
		c.errText, c.response = "Failed authentication", obj("ConsoleLogin", "Failure")
	}
	w.emit(c)
}

// consoleUser is the console session of an IAM user.
func (w *world) consoleUser(u *user, from *caller, mfa bool) *caller {
	c := *from
	c.key, c.principal, c.arn, c.console = sessionKey(w.rng), u.id, w.iam("user/"+u.name), true
	c.identity = obj("type", "IAMUser", "principalId", u.id, "arn", c.arn, "accountId", w.account.id, "accessKeyId", c.key, "userName", u.name,
		"sessionContext", obj("attributes", obj("creationDate", w.now.Format(stamp), "mfaAuthenticated", yes(mfa))))
	return &c
}

func zoneRecord(w *world) {
	const zone = "Z0Q4FJEXAMPLE1ZONE"
	w.emit(call{by: w.pipeline(), source: "route53", name: "ChangeResourceRecordSets", params: obj("hostedZoneId", zone, "changeBatch",
		obj("changes", list(obj("action", "UPSERT", "resourceRecordSet", obj("name", fmt.Sprintf("v%d.%s", w.next(), domain), "type", "CNAME", "tTL", 300, "resourceRecords", list(obj("value", "shop."+domain))))))),
		response: obj("changeInfo", obj("id", "/change/C"+text(w.rng, base32, 20), "status", "PENDING", "submittedAt", w.now.Format(stampWords)))})
}

// rootVisits is the root user of the management account, with a second factor, for the bill. It happens a few times a year.
func rootVisits(w *world) {
	if !w.chance(5) {
		return
	}
	c := w.root("203.0.113.5", browsers[0], true)
	w.emit(call{by: c, source: "signin", name: "ConsoleLogin", kind: "AwsConsoleSignIn", response: obj("ConsoleLogin", "Success"),
		extra: obj("LoginTo", "https://console.aws.amazon.com/console/home", "MobileVersion", "No", "MFAUsed", "Yes")})
	w.soon(func() { w.look(c, look{"ce", "GetCostAndUsage"}) })
}
