package fleet

import (
	"sync/atomic"

	"github.com/cairnstream/cairn/processor/account"
)

// Accounts are what all shards of a process know of the organisation's
// accounts. They can be exchanged while the shards are at work.
type Accounts struct{ book atomic.Pointer[account.Book] }

// NewAccounts begins with a book, which may be nil.
func NewAccounts(book *account.Book) *Accounts {
	a := &Accounts{}
	a.book.Store(book)
	return a
}

// Book is the present book, nil without one.
func (a *Accounts) Book() *account.Book {
	if a == nil {
		return nil
	}
	return a.book.Load()
}

// Exchange makes book the present one. Each shard takes it between two batches.
func (a *Accounts) Exchange(book *account.Book) { a.book.Store(book) }
