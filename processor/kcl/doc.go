// Package kcl runs Cairn's shards as a worker of a fleet that consumes one
// Kinesis stream. It is the only package that knows the Kinesis client library
// (vmware-go-kcl-v2), and it keeps the library to what it does well: finding
// the shards of the stream, reading them, and asking who should read what.
//
// What the library does not do safely is done here, through its two seams:
//
//   - [Leases] takes the place of its lease table. Every write carries a token
//     of the lease, so an owner that was paused or cut off cannot undo what its
//     successor did.
//   - A middleware on the Kinesis client decides where a shard is read from,
//     replaces expired iterators, and hands aggregates on as they are.
//
// [Worker] pairs both with the shards of package processor. README.md beside
// this file lists the library's defects one by one, what is done about each,
// and which test holds it.
//
// Leases are kept in real time, by the monotonic clock; nothing else in the
// pipeline reads a clock. A lease only saves work: what makes two owners
// harmless is the epoch in the shard's manifest.
package kcl
