package gen

import "time"

// Forms of time in records.
const (
	stamp      = "2006-01-02T15:04:05Z"         // eventTime, creationDate
	stampWords = "Jan 2, 2006, 3:04:05 PM"      // expiration, createDate of STS and IAM
	stampMilli = "2006-01-02T15:04:05.000Z"     // times of newer services
	stampZone  = "2006-01-02T15:04:05.000+0000" // lastModified of Lambda
)

// call is one API call before it becomes a record.
type call struct {
	by           *caller
	source, name string // source without .amazonaws.com
	region       string // the account's home region if empty
	read         bool
	params       raw // null if nil
	response     raw // null if nil
	extra        raw // additionalEventData
	resources    []raw
	err, errText string
	kind         string // eventType: AwsApiCall
	shared       string // sharedEventID
	service      raw    // serviceEventDetails
	data         bool   // a data event
	label        *Label
}

// caller is who makes calls and from where: a user's key, a role session, a service.
type caller struct {
	identity  raw
	principal string // principalId
	arn       string
	key       string // access key in use; empty for services
	ip, agent string
	console   bool // credentials of a console session
	plain     bool // no TLS details: a service inside AWS
	expires   time.Time
}

// onResource is a member of a record's resources.
func onResource(account, kind, arn string) raw {
	return obj("accountId", account, "type", kind, "ARN", arn)
}

// version returns the eventVersion that a service writes. Services move to newer versions at their own pace.
func version(source string) string {
	switch source {
	case "iam", "sts", "s3", "kms":
		return "1.11"
	case "ec2", "lambda", "rds", "ecs":
		return "1.10"
	case "signin":
		return "1.08"
	}
	return []string{"1.08", "1.09", "1.11"}[(len(source)+int(source[0]))%3]
}

// apiVersion returns the value of apiVersion of services whose records have it.
func apiVersion(source string) raw {
	v := map[string]string{"s3": "2006-03-01", "lambda": "2015-03-31", "logs": "20140328", "dynamodb": "2012-08-10", "route53": "2013-04-01"}[source]
	if v == "" {
		return nil
	}
	return appendText(nil, v)
}

// encode writes the record of a call in the order of members that CloudTrail uses.
func (c *call) encode(account, id, request string, at time.Time) []byte {
	kind := c.kind
	if kind == "" {
		kind = "AwsApiCall"
	}
	category := "Management"
	if c.data {
		category = "Data"
	}
	return obj(
		"eventVersion", version(c.source), "userIdentity", c.by.identity,
		"eventTime", at.Format(stamp), "eventSource", c.source+".amazonaws.com", "eventName", c.name,
		"awsRegion", c.region, "sourceIPAddress", c.by.ip, "userAgent", c.by.agent,
		"errorCode", optional(c.err), "errorMessage", optional(c.errText),
		"requestParameters", orNull(c.params), "responseElements", orNull(c.response), "additionalEventData", c.extra,
		"requestID", request, "eventID", id, "readOnly", c.read, "resources", optionalList(c.resources),
		"eventType", kind, "apiVersion", apiVersion(c.source), "managementEvent", !c.data,
		"recipientAccountId", account, "sharedEventID", optional(c.shared), "serviceEventDetails", c.service,
		"eventCategory", category, "tlsDetails", c.tls(), "sessionCredentialFromConsole", c.fromConsole())
}

func (c *call) tls() raw {
	if c.by.plain || c.kind != "" {
		return nil
	}
	if c.by.console {
		return obj("tlsVersion", "TLSv1.3", "cipherSuite", "TLS_AES_128_GCM_SHA256")
	}
	host := c.source + "." + c.region + ".amazonaws.com"
	if global(c.source) {
		host = c.source + ".amazonaws.com"
	}
	return obj("tlsVersion", "TLSv1.3", "cipherSuite", "TLS_AES_128_GCM_SHA256", "clientProvidedHostHeader", host)
}

func (c *call) fromConsole() raw {
	if c.by.console && c.kind == "" {
		return raw(`"true"`)
	}
	return nil
}

// global tells the services that have one endpoint for all regions and whose records bear us-east-1.
func global(source string) bool {
	switch source {
	case "iam", "route53", "organizations", "ce", "cloudfront":
		return true
	}
	return false
}

func optional(s string) raw {
	if s == "" {
		return nil
	}
	return appendText(nil, s)
}

func optionalList(items []raw) raw {
	if len(items) == 0 {
		return nil
	}
	return list(items...)
}

func orNull(v raw) raw {
	if v == nil {
		return raw("null")
	}
	return v
}
