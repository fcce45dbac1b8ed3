// Package forward puts CloudTrail events on a Kinesis stream: those of log
// files, of files that an SQS queue announces, or of another stream whose
// records have no useful partition key.
//
// The partition key is the recipient account, as in a replay, so all events of
// an account go through one shard, where rules and inventory see them in order.
// They travel as aggregates of the Kinesis Producer Library, one partition key
// each. What cannot be decoded travels as it is, so that it is quarantined with
// its reason where all else is.
//
// Everything is at least once: a source is only told that something is done
// after all of it is on the stream, and what was sent twice is sorted out by
// event id behind it. Of one partition key only one record is on its way at a
// time, since PutRecords promises no order within a request and may fail for
// some of its records; so events of an account never overtake each other.
package forward
