// Package cloudtrail turns payload bytes into CloudTrail events. It does no I/O
// and reads no clock.
//
// A [Decoder] recognises what a payload is by its bytes and takes off whatever
// is wrapped around the records: gzip, base64, KPL aggregates, EventBridge,
// CloudWatch Logs, SNS, SQS. Each piece of a payload ends as exactly one of an
// [Event], a [Reject] or a control; README.md lists the forms and the reasons.
//
// An [Event] holds no map and no copies: it is a table of spans into the record,
// made in one pass that checks the grammar of all of it. Members without a fixed
// shape stay JSON text; [Event.Tree] and [Event.BlobTree] parse on demand.
// Columns ([Event.Text], [Event.Blob]) and [Event.Extra] together hold every
// member of the record.
package cloudtrail
