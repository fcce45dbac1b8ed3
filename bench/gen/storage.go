package gen

import "fmt"

// bucketCall emits a call about a bucket. S3 writes hold no response.
func (w *world) bucketCall(c *caller, name, bucket string, more ...any) {
	params := append([]any{"bucketName", bucket, "Host", bucket + ".s3." + w.region + ".amazonaws.com"}, more...)
	w.emit(call{by: c, source: "s3", name: name, params: obj(params...),
		extra:     obj("SignatureVersion", "SigV4", "CipherSuite", "TLS_AES_128_GCM_SHA256", "bytesTransferredIn", 300, "AuthenticationMethod", "AuthHeader", "x-amz-id-2", text(w.rng, alnum, 56)+"=", "bytesTransferredOut", 0),
		resources: []raw{onResource(w.account.id, "AWS::S3::Bucket", "arn:aws:s3:::"+bucket)}})
}

// exportBucket is a bucket for an export: made private, encrypted and tagged, and often removed on the same day.
func exportBucket(w *world) {
	c := w.anyone()
	b := fmt.Sprintf("%s-%s-export-%d", company, w.account.name, w.next())
	w.bucketCall(c, "CreateBucket", b, "CreateBucketConfiguration", obj("LocationConstraint", w.region, "xmlns", "http://s3.amazonaws.com/doc/2006-03-01/"))
	w.after(2, func() {
		w.bucketCall(c, "PutBucketPublicAccessBlock", b, "publicAccessBlock", "", "PublicAccessBlockConfiguration", obj("xmlns", "http://s3.amazonaws.com/doc/2006-03-01/",
			"BlockPublicAcls", true, "IgnorePublicAcls", true, "BlockPublicPolicy", true, "RestrictPublicBuckets", true))
	})
	w.after(3, func() {
		w.bucketCall(c, "PutBucketEncryption", b, "encryption", "", "ServerSideEncryptionConfiguration", obj("Rule", obj("ApplyServerSideEncryptionByDefault", obj("SSEAlgorithm", "aws:kms"))))
	})
	w.after(5, func() {
		w.bucketCall(c, "PutBucketTagging", b, "tagging", "", "Tagging", obj("TagSet", obj("Tag", list(obj("Key", "owner", "Value", c.owner()), obj("Key", "env", "Value", w.account.kind)))))
	})
	w.after(40, func() { w.bucketCall(c, "PutBucketPolicy", b, "policy", "", "bucketPolicy", w.ownPolicy(b)) })
	if w.chance(60) {
		w.after(2*3600+w.rng.IntN(3*3600), func() { w.bucketCall(w.anyone(), "DeleteBucket", b) })
	}
}

// ownPolicy lets another account of the organisation read, over TLS.
func (w *world) ownPolicy(bucket string) raw {
	return obj("Version", "2012-10-17", "Statement", list(
		obj("Sid", "Read", "Effect", "Allow", "Principal", obj("AWS", "arn:aws:iam::"+w.other("data").id+":root"), "Action", "s3:GetObject", "Resource", "arn:aws:s3:::"+bucket+"/*"),
		obj("Sid", "Tls", "Effect", "Deny", "Principal", "*", "Action", "s3:*", "Resource", "arn:aws:s3:::"+bucket+"/*", "Condition", obj("Bool", obj("aws:SecureTransport", "false")))))
}

// newSecret stores a secret and rotates it later.
func newSecret(w *world) {
	c := w.admin()
	name := fmt.Sprintf("partners/%s-%d", pick(w.rng, "rail", "bank", "post"), w.next())
	answer := obj("arn", w.secretARN(name), "name", name, "versionId", uuid(w.rng))
	w.emit(call{by: c, source: "secretsmanager", name: "CreateSecret", params: obj("name", name, "clientRequestToken", uuid(w.rng), "kmsKeyId", w.keyARN(), "tags", list(obj("key", "team", "value", "orders"))), response: answer})
	w.secrets = append(w.secrets, name)
	w.after(1800+w.rng.IntN(7200), func() {
		w.emit(call{by: c, source: "secretsmanager", name: "PutSecretValue", params: obj("secretId", w.secretARN(name), "clientRequestToken", uuid(w.rng)), response: answer})
	})
}

// parameter stores a setting.
func parameter(w *world) {
	w.emit(call{by: w.pipeline(), source: "ssm", name: "PutParameter", params: obj("name", fmt.Sprintf("/shop/%s", pick(w.rng, "version", "features", "limits")), "type", "String",
		"value", "HIDDEN_DUE_TO_SECURITY_REASONS", "overwrite", true), response: obj("version", 10+w.next(), "tier", "Standard")})
}

// newQueue makes a queue, a topic and the subscription that joins them.
func newQueue(w *world) {
	c := w.pipeline()
	name := fmt.Sprintf("events-%d", w.next())
	queue, topic := w.arn("sqs", name), w.arn("sns", name)
	w.emit(call{by: c, source: "sqs", name: "CreateQueue", params: obj("queueName", name, "attributes", obj("SqsManagedSseEnabled", "true")),
		response: obj("queueUrl", "https://sqs."+w.region+".amazonaws.com/"+w.account.id+"/"+name)})
	w.after(2, func() {
		w.emit(call{by: c, source: "sns", name: "CreateTopic", params: obj("name", name), response: obj("topicArn", topic)})
	})
	w.after(4, func() {
		w.emit(call{by: c, source: "sns", name: "Subscribe", params: obj("topicArn", topic, "protocol", "sqs", "endpoint", queue, "returnSubscriptionArn", true),
			response: obj("subscriptionArn", topic+":"+uuid(w.rng))})
	})
}

// newTable makes a table.
func newTable(w *world) {
	name := fmt.Sprintf("trial-%d", w.next())
	arn := w.arn("dynamodb", "table/"+name)
	w.emit(call{by: w.anyone(), source: "dynamodb", name: "CreateTable", params: obj("tableName", name, "billingMode", "PAY_PER_REQUEST", "keySchema", list(obj("attributeName", "id", "keyType", "HASH"))),
		response:  obj("tableDescription", obj("tableName", name, "tableArn", arn, "tableStatus", "CREATING", "tableId", uuid(w.rng), "billingModeSummary", obj("billingMode", "PAY_PER_REQUEST"))),
		resources: []raw{onResource(w.account.id, "AWS::DynamoDB::Table", arn)}})
	w.tables = append(w.tables, name)
	w.after(3600+w.rng.IntN(3*3600), func() {
		w.tables = drop(w.tables, name)
		w.emit(call{by: w.anyone(), source: "dynamodb", name: "DeleteTable", params: obj("tableName", name), response: obj("tableDescription", obj("tableName", name, "tableArn", arn, "tableStatus", "DELETING")),
			resources: []raw{onResource(w.account.id, "AWS::DynamoDB::Table", arn)}})
	})
}

// newKey makes a key of KMS, names it and lets it rotate.
func newKey(w *world) {
	c := w.admin()
	id := uuid(w.rng)
	arn := w.arn("kms", "key/"+id)
	on := []raw{onResource(w.account.id, "AWS::KMS::Key", arn)}
	w.emit(call{by: c, source: "kms", name: "CreateKey", params: obj("description", "exports", "keyUsage", "ENCRYPT_DECRYPT", "keySpec", "SYMMETRIC_DEFAULT", "origin", "AWS_KMS", "multiRegion", false),
		response: obj("keyMetadata", obj("aWSAccountId", w.account.id, "keyId", id, "arn", arn, "creationDate", w.now.Format(stampWords), "enabled", true, "description", "exports",
			"keyUsage", "ENCRYPT_DECRYPT", "keyState", "Enabled", "origin", "AWS_KMS", "keyManager", "CUSTOMER", "keySpec", "SYMMETRIC_DEFAULT", "multiRegion", false)), resources: on})
	w.after(2, func() {
		w.emit(call{by: c, source: "kms", name: "CreateAlias", params: obj("aliasName", fmt.Sprintf("alias/exports-%d", w.next()), "targetKeyId", id), resources: on})
	})
	w.after(3, func() {
		w.emit(call{by: c, source: "kms", name: "EnableKeyRotation", params: obj("keyId", id), resources: on})
	})
}
