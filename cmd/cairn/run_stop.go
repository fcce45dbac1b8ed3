package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// stopLimit is how long a worker takes at most from SIGTERM to its end, whatever
// the services that it needs do. Containers are killed after 30 s by default.
const stopLimit = 25 * time.Second

// alertTime is the part of it in which alerts are sent that can be sent at once.
const alertTime = 2 * time.Second

var errStop = errors.New("the worker did not end by itself after it was told to stop")

// untilStopped runs a worker and gives it up when it has not come back a while
// after ctx has ended. What it had not committed is read again by the next owner
// of its shards, when the leases have run out.
func untilStopped(ctx context.Context, limit time.Duration, run func(context.Context) error) error {
	done := make(chan error, 1)
	go func() { done <- run(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("%w within %v: is a store, the stream or the lease table down?", errStop, limit)
	}
}

// Help is what the help of the command tells beside its flags.
func (*runCmd) Help() string {
	return `Workers share the shards of the stream by a lease table in DynamoDB, named after --app
and the stream; start as many as you like, under one --app.

SIGTERM or SIGINT: the worker commits, writes its files, hands its shards over and is
gone within 25 seconds, whatever the stores and the stream do. Exit status 0: all was
handed over; 1: not all of it, and the next owners wait until the leases have run out
(--lease) and go on from the last commit. Nothing is lost or comes twice either way.

SIGHUP: rules, sinks and accounts are loaded anew at once; otherwise when their files have
changed. What has mistakes is not taken, and the log says why.`
}
