package gen

import "fmt"

// theft hands data to the attacker's account, or to everybody.
func theft() []step {
	return []step{
		{780, "T1537", "shares a disk's snapshot with another account", func(a *attacker) {
			id := a.w.snapshot(a.caller, a.w.volumes[0], "migration")
			a.w.shareSnapshot(a.caller, "add", id)
		}},
		{150, "T1537", "makes an image public", func(a *attacker) {
			a.w.emit(call{by: a.caller, source: "ec2", name: "ModifyImageAttribute", params: obj("imageId", a.w.image, "attributeType", "launchPermission",
				"launchPermission", obj("add", items(obj("group", "all")))), response: a.w.ok()})
		}},
		{170, "T1537", "shares a database snapshot with another account", func(a *attacker) {
			id := "orders-pre-release"
			a.w.emit(call{by: a.caller, source: "rds", name: "ModifyDBSnapshotAttribute", params: obj("dBSnapshotIdentifier", id, "attributeName", "restore", "valuesToAdd", []string{outsider}),
				response: obj("dBSnapshotIdentifier", id, "dBSnapshotAttributes", list(obj("attributeName", "restore", "attributeValues", []string{outsider})))})
		}},
		{280, "T1562.007", "removes a bucket's block of public access", func(a *attacker) {
			a.w.bucketCall(a.caller, "DeleteBucketPublicAccessBlock", a.w.buckets[2], "publicAccessBlock", "")
		}},
		{26, "T1530", "lets everybody read a bucket", func(a *attacker) {
			b := a.w.buckets[2]
			a.w.bucketCall(a.caller, "PutBucketPolicy", b, "policy", "", "bucketPolicy", obj("Version", "2012-10-17", "Statement",
				list(obj("Sid", "Public", "Effect", "Allow", "Principal", "*", "Action", "s3:GetObject", "Resource", "arn:aws:s3:::"+b+"/*"))))
		}},
	}
}

// shareSnapshot adds or removes the attacker's account.
func (w *world) shareSnapshot(c *caller, change, id string) {
	w.emit(call{by: c, source: "ec2", name: "ModifySnapshotAttribute", params: obj("snapshotId", id, "attributeType", "CREATE_VOLUME_PERMISSION",
		"createVolumePermission", obj(change, items(obj("userId", outsider)))), response: w.ok()})
}

// secrets reads one secret after another, faster than any program of the account.
func secrets() []step {
	var out []step
	for i := range 18 {
		out = append(out, step{3 + i%4, "T1555.006", "reads a secret", func(a *attacker) {
			a.w.emit(call{by: a.caller, source: "secretsmanager", name: "GetSecretValue", read: true, params: obj("secretId", fmt.Sprintf("partners/contract-%02d", i+1))})
		}})
	}
	return out
}

// backdoors are ways back for later.
func backdoors() []step {
	return []step{
		{400, "T1098.001", "lets another account assume a role", func(a *attacker) {
			document := obj("Version", "2012-10-17", "Statement", list(
				obj("Effect", "Allow", "Principal", obj("Service", "lambda.amazonaws.com"), "Action", "sts:AssumeRole"),
				obj("Effect", "Allow", "Principal", obj("AWS", "arn:aws:iam::"+outsider+":root"), "Action", "sts:AssumeRole")))
			a.w.emit(call{by: a.caller, source: "iam", name: "UpdateAssumeRolePolicy", params: obj("roleName", "auditor", "policyDocument", string(document))})
		}},
		{190, "T1648", "changes the code of a function", func(a *attacker) { a.w.newCode(a.caller, a.w.functions[0]) }},
		{28, "T1648", "lets everybody call that function", func(a *attacker) {
			name := a.w.functions[0]
			a.w.emit(call{by: a.caller, source: "lambda", name: "AddPermission20150331v2", params: obj("functionName", name, "statementId", "health", "action", "lambda:InvokeFunction", "principal", "*"),
				response: obj("statement", string(obj("Sid", "health", "Effect", "Allow", "Principal", "*", "Action", "lambda:InvokeFunction", "Resource", a.w.arn("lambda", "function:"+name))))})
		}},
	}
}

// guessing tries passwords until one fits.
func guessing() []step {
	var out []step
	for i := range 12 {
		out = append(out, step{20 + i, "T1110.003", "guesses a password", func(a *attacker) {
			a.w.signIn(a.w.users[i%2], &caller{ip: attackerHome, agent: browsers[1]}, false, "No")
		}})
	}
	return append(out,
		step{40, "T1078.004", "signs in with the guessed password", func(a *attacker) { a.signIn(a.w.users[1]) }},
		step{60, "T1098.001", "makes an access key for another user", func(a *attacker) { a.w.createKey(a.caller, a.w.users[0].name, longKey(a.w.rng)) }},
	)
}

// rootUse is the root user, with its password alone.
func rootUse() []step {
	return []step{
		{5, "T1078.004", "signs in as root without a second factor", func(a *attacker) {
			a.caller = a.w.root(attackerHome, browsers[1], false)
			a.w.emit(call{by: a.caller, source: "signin", name: "ConsoleLogin", kind: "AwsConsoleSignIn", response: obj("ConsoleLogin", "Success"),
				extra: obj("LoginTo", "https://console.aws.amazon.com/console/home", "MobileVersion", "No", "MFAUsed", "No")})
		}},
		{90, "T1098.001", "makes an access key as root", func(a *attacker) {
			a.w.emit(call{by: a.caller, source: "iam", name: "CreateAccessKey",
				response: obj("accessKey", obj("accessKeyId", longKey(a.w.rng), "status", "Active", "createDate", a.w.now.Format(stampWords)))})
		}},
	}
}

// root is a console session of the account's root user.
func (w *world) root(ip, agent string, mfa bool) *caller {
	c := &caller{principal: w.account.id, arn: w.iam("root"), key: sessionKey(w.rng), ip: ip, agent: agent, console: true}
	c.identity = obj("type", "Root", "principalId", w.account.id, "arn", c.arn, "accountId", w.account.id, "accessKeyId", c.key,
		"sessionContext", obj("attributes", obj("creationDate", w.now.Format(stamp), "mfaAuthenticated", yes(mfa))))
	return c
}
