package gen

import "fmt"

// programWork are the activities of services and programs. The weights are guesses at a small web business.
func programWork() []*activity {
	return []*activity{
		{name: "instance agent reports", weight: 16, run: agentReports},
		{name: "function runs", weight: 14, run: functionRuns},
		{name: "task starts", weight: 10, kinds: "production staging", run: taskStarts},
		{name: "secret is read", weight: 8, kinds: "production staging data", run: secretIsRead},
		{name: "recorder looks", weight: 12, run: recorderLooks},
		{name: "monitoring polls", weight: 12, kinds: "production staging data", run: monitoringPolls},
		{name: "scaling looks", weight: 10, kinds: "production staging", run: scalingLooks},
		{name: "group scales", weight: 3, kinds: "production staging", run: groupScales},
		{name: "trail checks bucket", weight: 6, run: trailChecksBucket},
		{name: "backup", weight: 2, kinds: "production data", run: backup},
		{name: "database backup", weight: 1, kinds: "production data", run: databaseBackup},
		{name: "query job", weight: 8, kinds: "data security", run: queryJob},
		{name: "findings exported", weight: 8, kinds: "security", run: findingsExported},
		{name: "bill is read", weight: 5, kinds: "management", run: billIsRead},
		{name: "key rotates", weight: 1, run: keyRotates},
		{name: "report fails", weight: 1, run: reportFails},
	}
}

// agentReports is the agent on an instance, with the instance's role.
func agentReports(w *world) {
	i := w.server()
	c := *w.workload("ec2", "web-instance", i.id)
	c.agent = ssmAgent
	w.emit(call{by: &c, source: "ssm", name: "UpdateInstanceInformation", params: obj("instanceId", i.id, "agentVersion", "3.3.3050.0",
		"agentStatus", "Active", "platformType", "Linux", "platformName", "Amazon Linux", "platformVersion", "2023", "iPAddress", i.ip,
		"computerName", "ip-"+i.id[2:10]+".internal", "agentName", "amazon-ssm-agent")})
	if w.chance(30) {
		w.emit(call{by: &c, source: "ssm", name: "ListInstanceAssociations", read: true, params: obj("instanceId", i.id, "maxResults", 20)})
	}
}

func functionRuns(w *world) {
	name := w.function()
	c := *w.workload("lambda", "lambda-"+name, name)
	c.agent = lambdaAgent
	group := "/aws/lambda/" + name
	w.emit(call{by: &c, source: "logs", name: "CreateLogStream", params: obj("logGroupName", group,
		"logStreamName", w.now.Format("2006/01/02/")+"[$LATEST]"+hex(w.rng, 32))})
	w.decrypt(&c, obj("aws:lambda:FunctionArn", w.arn("lambda", "function:"+name)))
	if w.chance(40) {
		table := pick(w.rng, w.tables...)
		w.emit(call{by: &c, source: "dynamodb", name: "DescribeTable", read: true, params: obj("tableName", table),
			resources: []raw{onResource(w.account.id, "AWS::DynamoDB::Table", w.arn("dynamodb", "table/"+table))}})
	}
}

// decrypt is the call that services make for whoever reads something encrypted.
func (w *world) decrypt(c *caller, context raw) {
	w.emit(call{by: c, source: "kms", name: "Decrypt", read: true, params: obj("encryptionContext", context, "encryptionAlgorithm", "SYMMETRIC_DEFAULT"),
		resources: []raw{onResource(w.account.id, "AWS::KMS::Key", w.keyARN())}})
}

func taskStarts(w *world) {
	task := hex(w.rng, 32)
	c := w.workload("ecs-tasks", "orders-task", task)
	repository := obj("repositoryName", "orders", "registryId", w.account.id)
	w.emit(call{by: c, source: "ecr", name: "GetAuthorizationToken", read: true})
	w.emit(call{by: c, source: "ecr", name: "BatchGetImage", read: true, params: obj("repositoryName", "orders", "registryId", w.account.id,
		"imageIds", list(obj("imageTag", fmt.Sprintf("v%d", 400+w.rng.IntN(40))))),
		resources: []raw{onResource(w.account.id, "AWS::ECR::Repository", w.arn("ecr", "repository/orders"))}})
	for range 2 {
		w.emit(call{by: c, source: "ecr", name: "GetDownloadUrlForLayer", read: true, params: repository,
			resources: []raw{onResource(w.account.id, "AWS::ECR::Repository", w.arn("ecr", "repository/orders"))}})
	}
	w.emit(call{by: c, source: "logs", name: "CreateLogStream", params: obj("logGroupName", "/ecs/orders", "logStreamName", "orders/web/"+task)})
}

func secretIsRead(w *world) {
	c := w.workload("ecs-tasks", "orders-task", hex(w.rng, 2)+"0000000000000000000000000000000")
	name := w.secret()
	w.emit(call{by: c, source: "secretsmanager", name: "GetSecretValue", read: true, params: obj("secretId", name)})
	via := *c
	via.ip, via.agent, via.plain = "secretsmanager.amazonaws.com", "secretsmanager.amazonaws.com", true
	w.decrypt(&via, obj("SecretARN", w.secretARN(name), "SecretVersionId", uuid(w.rng)))
}

// look is a read-only call that describes many things, without parameters or answer in its record.
type look struct{ source, name string }

var recorderLook = []look{{"ec2", "DescribeInstances"}, {"ec2", "DescribeVolumes"}, {"ec2", "DescribeSecurityGroups"}, {"ec2", "DescribeSubnets"},
	{"rds", "DescribeDBInstances"}, {"rds", "DescribeDBSnapshots"}, {"lambda", "ListFunctions20150331"}, {"s3", "ListBuckets"},
	{"s3", "GetBucketPolicy"}, {"s3", "GetBucketTagging"}, {"iam", "GetAccountAuthorizationDetails"}, {"kms", "ListKeys"}, {"kms", "DescribeKey"},
	{"elasticloadbalancing", "DescribeLoadBalancers"}, {"autoscaling", "DescribeAutoScalingGroups"}, {"sns", "ListTopics"},
	{"sqs", "ListQueues"}, {"acm", "ListCertificates"}, {"cloudfront", "ListDistributions"}, {"ecs", "DescribeClusters"}, {"eks", "ListClusters"}}

func recorderLooks(w *world) {
	c := w.linked("config", "AWSServiceRoleForConfig")
	for range 1 + w.rng.IntN(4) {
		w.look(c, pick(w.rng, recorderLook...))
	}
	if w.chance(8) {
		w.emit(call{by: c, source: "s3", name: "GetBucketWebsite", read: true, err: "NoSuchWebsiteConfiguration",
			errText: "The specified bucket does not have a website configuration", params: obj("bucketName", w.bucket(), "website", "")})
	}
}

// look makes a describing call.
func (w *world) look(c *caller, l look) {
	var params raw
	switch l.name {
	case "GetBucketPolicy", "GetBucketTagging", "GetBucketAcl":
		b := w.bucket()
		params = obj("bucketName", b, "Host", b+".s3."+w.region+".amazonaws.com")
	case "DescribeKey":
		params = obj("keyId", w.keyARN())
	case "DescribeInstances":
		params = obj("maxResults", 1000, "instancesSet", obj(), "filterSet", obj())
	}
	w.emit(call{by: c, source: l.source, name: l.name, read: true, params: params})
}

// monitoringPolls is the service of another company, which assumes a role here.
func monitoringPolls(w *world) {
	const vendor = "888877776666"
	id := "vendor"
	c := w.sessions[id]
	if c == nil || !w.now.Before(c.expires) {
		r := w.role("monitoring-reader", "/")
		by := &caller{identity: obj("type", "AWSAccount", "principalId", "AROAZ5QWPL2CDKEXAMPLE:poller", "accountId", vendor), ip: "192.0.2.40", agent: sdkAgent}
		key := sessionKey(w.rng)
		w.assume(by, "AssumeRole", r, "poller", key)
		c = w.session(r, "poller", key, false, "")
		c.ip, c.agent = "192.0.2.40", sdkAgent
		w.sessions[id] = c
	}
	for range 1 + w.rng.IntN(4) {
		w.look(c, pick(w.rng, look{"monitoring", "ListMetrics"}, look{"monitoring", "DescribeAlarms"}, look{"ec2", "DescribeInstanceStatus"}, look{"ec2", "DescribeVolumes"},
			look{"rds", "DescribeDBInstances"}, look{"elasticloadbalancing", "DescribeTargetHealth"}, look{"sqs", "ListQueues"}, look{"ecs", "ListServices"}, look{"lambda", "ListFunctions20150331"}))
	}
}

func scalingLooks(w *world) {
	c := w.linked("autoscaling", "AWSServiceRoleForAutoScaling")
	w.look(c, pick(w.rng, look{"ec2", "DescribeInstances"}, look{"ec2", "DescribeInstanceStatus"}, look{"elasticloadbalancing", "DescribeTargetHealth"}, look{"monitoring", "DescribeAlarms"}))
}

// groupScales starts an instance of the scaling group and ends it some hours later.
func groupScales(w *world) {
	c := w.linked("autoscaling", "AWSServiceRoleForAutoScaling")
	i := w.newInstance("m7g.large", w.group)
	w.runInstance(c, i, "web", "production-web")
	w.instances = append(w.instances, i)
	target := obj("targetGroupArn", w.arn("elasticloadbalancing", "targetgroup/web/0f1e2d3c4b5a6978"), "targets", list(obj("id", i.id)))
	w.after(60, func() { w.emit(call{by: c, source: "elasticloadbalancing", name: "RegisterTargets", params: target}) })
	w.after(3600+w.rng.IntN(4*3600), func() {
		c := w.linked("autoscaling", "AWSServiceRoleForAutoScaling")
		w.emit(call{by: c, source: "elasticloadbalancing", name: "DeregisterTargets", params: target})
		w.terminate(c, i)
	})
}

func trailChecksBucket(w *world) {
	b := company + "-" + w.other("security").name + "-logs"
	w.emit(call{by: service("cloudtrail"), source: "s3", name: "GetBucketAcl", read: true, params: obj("bucketName", b, "Host", b+".s3."+w.region+".amazonaws.com", "acl", ""),
		resources: []raw{onResource(w.other("security").id, "AWS::S3::Bucket", "arn:aws:s3:::"+b)}, shared: uuid(w.rng)})
}

// backup makes a snapshot of a volume and removes the oldest one.
func backup(w *world) {
	c := w.workload("backup", "backup-operator", "AWSBackup-"+hex(w.rng, 8))
	w.snapshot(c, pick(w.rng, w.volumes...), "nightly")
	if len(w.snapshots) > 6 {
		old := w.snapshots[0]
		w.snapshots = w.snapshots[1:]
		w.after(30, func() {
			w.emit(call{by: c, source: "ec2", name: "DeleteSnapshot", params: obj("snapshotId", old), response: obj("requestId", uuid(w.rng), "_return", true)})
		})
	}
}

func queryJob(w *world) {
	c := w.workload("glue", "etl-job", "GlueJobRunnerSession")
	w.look(c, look{"glue", "GetDatabase"})
	w.emit(call{by: c, source: "glue", name: "GetTable", read: true, params: obj("databaseName", "sales", "name", pick(w.rng, "orders", "rides", "returns"))})
	w.emit(call{by: c, source: "athena", name: "StartQueryExecution", params: obj("queryString", "***OMITTED***", "workGroup", "primary", "clientRequestToken", uuid(w.rng)),
		response: obj("queryExecutionId", uuid(w.rng))})
	w.after(4, func() {
		w.emit(call{by: c, source: "athena", name: "GetQueryExecution", read: true, params: obj("queryExecutionId", uuid(w.rng))})
	})
}

func findingsExported(w *world) {
	c := w.workload("lambda", "auditor", "collect-findings")
	w.look(c, pick(w.rng, look{"guardduty", "ListFindings"}, look{"guardduty", "ListDetectors"}, look{"securityhub", "GetFindings"}, look{"cloudtrail", "DescribeTrails"}, look{"cloudtrail", "GetTrailStatus"}))
}

func billIsRead(w *world) {
	c := w.workload("lambda", "auditor", "cost-report")
	w.look(c, pick(w.rng, look{"ce", "GetCostAndUsage"}, look{"organizations", "ListAccounts"}, look{"organizations", "DescribeOrganization"}, look{"budgets", "ViewBudget"}))
}

// keyRotates is KMS itself, which renews a key's material once a year: an event of the service, not a call.
func keyRotates(w *world) {
	if !w.chance(10) {
		return
	}
	self := &caller{identity: obj("accountId", w.account.id, "invokedBy", "AWS Internal"), ip: "AWS Internal", agent: "AWS Internal"}
	w.emit(call{by: self, source: "kms", name: "RotateKey", kind: "AwsServiceEvent", service: obj("keyId", w.key, "rotationType", "AUTOMATIC"),
		resources: []raw{onResource(w.account.id, "AWS::KMS::Key", w.keyARN())}})
}

// reportFails is a program whose permissions somebody forgot: an error that means no harm.
func reportFails(w *world) {
	u := w.users[1]
	w.denied(w.byKey(u), "dynamodb", "ListTables", w.arn("dynamodb", "table/*"))
}

// denied is a call that IAM refuses.
func (w *world) denied(c *caller, source, name, on string) {
	text := fmt.Sprintf("User: %s is not authorized to perform: %s:%s on resource: %s because no identity-based policy allows the %s:%s action", c.arn, source, name, on, source, name)
	code := "AccessDenied"
	if source == "ec2" {
		code, text = "Client.UnauthorizedOperation", "You are not authorized to perform this operation. User: "+c.arn+" is not authorized to perform: ec2:"+name+" because no identity-based policy allows the ec2:"+name+" action"
	}
	w.emit(call{by: c, source: source, name: name, read: true, err: code, errText: text})
}
