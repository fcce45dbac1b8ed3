package gen

import "fmt"

func (w *world) functionResponse(name string) raw {
	return obj("functionName", name, "functionArn", w.arn("lambda", "function:"+name), "runtime", "python3.13", "role", w.iam("role/lambda-"+name),
		"handler", "main.handler", "codeSize", 18000+w.rng.IntN(9000), "description", "", "timeout", 30, "memorySize", 256,
		"lastModified", w.now.Format(stampZone), "codeSha256", text(w.rng, alnum, 43)+"=", "version", "$LATEST", "environment", obj(),
		"tracingConfig", obj("mode", "PassThrough"), "revisionId", uuid(w.rng), "packageType", "Zip", "architectures", []string{"arm64"},
		"ephemeralStorage", obj("size", 512), "state", "Active", "lastUpdateStatus", "Successful")
}

// release puts new code into a function.
func release(w *world) { w.newCode(w.pipeline(), w.function()) }

func (w *world) newCode(c *caller, name string) {
	w.emit(call{by: c, source: "lambda", name: "UpdateFunctionCode20150331v2", params: obj("functionName", name, "s3Bucket", company+"-releases",
		"s3Key", name+"/"+hex(w.rng, 12)+".zip", "publish", false, "dryRun", false), response: w.functionResponse(name)})
}

// newFunction is a function for a day: made with its log group, called by a rule, reconfigured, removed.
func newFunction(w *world) {
	c := w.pipeline()
	name := fmt.Sprintf("%s-%d", pick(w.rng, "resize", "notify", "sync", "clean"), w.next())
	w.newRole(c, "lambda-"+name, "lambda.amazonaws.com")
	w.after(12, func() {
		w.emit(call{by: c, source: "lambda", name: "CreateFunction20150331", params: obj("functionName", name, "runtime", "python3.13", "role", w.iam("role/lambda-"+name),
			"handler", "main.handler", "code", obj(), "timeout", 30, "memorySize", 256, "publish", false, "tags", obj("team", "web")), response: w.functionResponse(name)})
		w.functions = append(w.functions, name)
	})
	w.after(20, func() {
		w.emit(call{by: c, source: "lambda", name: "AddPermission20150331v2", params: obj("functionName", name, "statementId", "rule", "action", "lambda:InvokeFunction",
			"principal", "events.amazonaws.com", "sourceArn", w.arn("events", "rule/"+name)),
			response: obj("statement", string(obj("Sid", "rule", "Effect", "Allow", "Principal", obj("Service", "events.amazonaws.com"), "Action", "lambda:InvokeFunction", "Resource", w.arn("lambda", "function:"+name))))})
	})
	w.after(26, func() {
		w.emit(call{by: c, source: "events", name: "PutRule", params: obj("name", name, "scheduleExpression", "rate(1 hour)", "state", "ENABLED"),
			response: obj("ruleArn", w.arn("events", "rule/"+name))})
	})
	w.after(30, func() { w.newLogGroup(c, "/aws/lambda/"+name) })
	w.after(1200+w.rng.IntN(3600), func() {
		w.emit(call{by: c, source: "lambda", name: "UpdateFunctionConfiguration20150331v2", params: obj("functionName", name, "memorySize", 512, "timeout", 60), response: w.functionResponse(name)})
	})
	if w.chance(60) {
		w.after(3*3600+w.rng.IntN(2*3600), func() { w.removeFunction(name) })
	}
}

func (w *world) removeFunction(name string) {
	c := w.pipeline()
	w.functions = drop(w.functions, name)
	w.emit(call{by: c, source: "lambda", name: "DeleteFunction20150331", params: obj("functionName", name)})
	w.after(3, func() {
		w.emit(call{by: c, source: "logs", name: "DeleteLogGroup", params: obj("logGroupName", "/aws/lambda/"+name)})
	})
}

func (w *world) newLogGroup(c *caller, name string) {
	w.emit(call{by: c, source: "logs", name: "CreateLogGroup", params: obj("logGroupName", name)})
	w.after(1, func() {
		w.emit(call{by: c, source: "logs", name: "PutRetentionPolicy", params: obj("logGroupName", name, "retentionInDays", 30)})
	})
}

// deploy brings a new version of the shop: image, task definition, service.
func deploy(w *world) {
	c := w.pipeline()
	tag := fmt.Sprintf("v%d", 440+w.next())
	repository := []raw{onResource(w.account.id, "AWS::ECR::Repository", w.arn("ecr", "repository/orders"))}
	w.emit(call{by: c, source: "ecr", name: "PutImage", params: obj("repositoryName", "orders", "imageTag", tag, "registryId", w.account.id),
		response: obj("image", obj("registryId", w.account.id, "repositoryName", "orders", "imageId", obj("imageDigest", "sha256:"+hex(w.rng, 64), "imageTag", tag))), resources: repository})
	w.after(9, func() { w.newTask(c, tag) })
	w.after(14, func() {
		w.emit(call{by: c, source: "ecs", name: "UpdateService", params: obj("cluster", "shop", "service", "orders", "taskDefinition", "orders:"+tag[1:]),
			response: obj("service", obj("serviceArn", w.arn("ecs", "service/shop/orders"), "serviceName", "orders", "clusterArn", w.arn("ecs", "cluster/shop"),
				"status", "ACTIVE", "desiredCount", 3, "runningCount", 3, "taskDefinition", w.arn("ecs", "task-definition/orders:"+tag[1:])))})
	})
	for i := range 3 {
		w.after(60+10*i, func() { w.look(c, look{"ecs", "DescribeServices"}) })
	}
}

func (w *world) newTask(c *caller, tag string) {
	arn := w.arn("ecs", "task-definition/orders:"+tag[1:])
	w.emit(call{by: c, source: "ecs", name: "RegisterTaskDefinition", params: obj("family", "orders", "taskRoleArn", w.iam("role/orders-task"), "networkMode", "awsvpc", "cpu", "512", "memory", "1024"),
		response: obj("taskDefinition", obj("taskDefinitionArn", arn, "family", "orders", "taskRoleArn", w.iam("role/orders-task"), "status", "ACTIVE", "cpu", "512", "memory", "1024"))})
}

// stackUpdate is the infrastructure's own pipeline.
func stackUpdate(w *world) {
	c := w.pipeline()
	name := pick(w.rng, "network", "shop", "observability")
	id := w.arn("cloudformation", "stack/"+name+"/0b3c5d10-9a77-11f0-8e2a-0a1b2c3d4e5f")
	w.look(c, look{"cloudformation", "DescribeStacks"})
	w.after(5, func() {
		w.emit(call{by: c, source: "cloudformation", name: "UpdateStack", params: obj("stackName", name, "capabilities", []string{"CAPABILITY_IAM"}, "templateURL", "https://"+company+"-releases.s3.amazonaws.com/"+name+".yml"),
			response: obj("stackId", id)})
	})
	for i := range 2 {
		w.after(15+20*i, func() { w.look(c, look{"cloudformation", "DescribeStackEvents"}) })
	}
}
