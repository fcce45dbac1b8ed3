// Package alert delivers findings to people and programs: it decides which
// sinks a finding goes to, renders a message for each, and sends it.
//
// The three parts are apart because they happen at different times. A Router
// renders when the finding is made, and what it made is kept in the state of
// the shard, so that a message is sent byte for byte the same after a crash. A
// Sender gets the messages once the finding is committed; each sink has its own
// queue and goroutine there, so that a dead one delays neither the shard nor
// the others. Load reads the file that names the sinks.
//
// Delivery is at least once, always under the same id, in order for each
// finding. Secrets are in no message, log line or error: keys are put in when a
// message leaves, and fields that look like secrets are withheld.
package alert
