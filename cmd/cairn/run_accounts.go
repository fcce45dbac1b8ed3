package main

import (
	"bytes"
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cairnstream/cairn/processor/account"
	"github.com/cairnstream/cairn/processor/fleet"
)

// accountsEvery is how often the accounts file is read. It may be an object, so
// this is a request each time.
const accountsEvery = 30 * time.Second

// followAccounts reads the accounts file now and then, and on SIGHUP. What is
// known of accounts does not change while the file has mistakes or cannot be
// read; the log and a metric tell of it.
func (c *runCmd) followAccounts(ctx context.Context, accounts *fleet.Accounts, metrics *fleet.Metrics, log *slog.Logger) {
	if c.Accounts == "" {
		return
	}
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGHUP)
	defer signal.Stop(asked)
	tick := time.NewTicker(accountsEvery)
	defer tick.Stop()
	f := accountsFollower{file: c.accountsFlag, accounts: accounts, metrics: metrics, log: log}
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
			f.refused = "" // whoever asks wants to be told again
		case <-tick.C:
		}
		f.look(ctx)
	}
}

// accountsFollower is the accounts file while a worker runs.
type accountsFollower struct {
	file     accountsFlag
	accounts *fleet.Accounts
	metrics  *fleet.Metrics
	log      *slog.Logger
	seen     []byte // what was read last
	refused  string // why it was refused
}

// look reads the file and takes it, if it is another one.
func (f *accountsFollower) look(ctx context.Context) {
	data, err := f.file.read(ctx)
	if err == nil && f.refused == "" && bytes.Equal(data, f.seen) {
		return
	}
	f.seen = data
	var book *account.Book
	if err == nil {
		book, err = account.Parse(f.file.Accounts, data)
	}
	switch {
	case err != nil && err.Error() == f.refused || ctx.Err() != nil:
	case err != nil:
		f.refused = err.Error()
		f.metrics.Reloaded(fleet.ReloadAccounts, false)
		f.log.Error("the accounts were not reloaded, those from before stay: correct the file, it is read again in half a minute", "error", err)
	case book.Digest() == f.accounts.Book().Digest():
		f.refused = ""
	default:
		f.refused = ""
		f.accounts.Exchange(book)
		f.metrics.Reloaded(fleet.ReloadAccounts, true)
		f.log.Info("accounts reloaded", "accounts", book.Len())
	}
}
