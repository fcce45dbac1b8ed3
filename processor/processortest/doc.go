// Package processortest has the surroundings of a shard as fakes in memory: an
// object store, a stream, a lease table and a sink of alerts, all seen by
// several workers. A call into a fake passes a Gate first, which decides when
// it goes on and what becomes of it: done, refused, done without an answer,
// done later, done twice. With no Gate it is done at once.
//
// Scheduler is the Gate of a simulation: it holds every call until the test
// lets it go, so that a test inside of a testing/synctest bubble decides the
// order of all that happens. Generator makes CloudTrail records to feed it.
//
// The fakes keep the promises of the real services and no more: a store gives
// read-after-write and compare-and-swap, a lease may be taken from a worker
// that lives and does not know it, a stream shard ends only when it was split
// or merged.
package processortest
