// Package account knows what an organisation says of its AWS accounts beside
// their events: a short name, who owns them, and what they are for.
//
// A Book is the accounts file, read and checked. It does not change, so that
// shards may share it; a changed file is another Book. The package reads no
// file and no clock.
package account

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"sync"
)

// Account is what rows and rules see of an account. Empty texts are unknown.
type Account struct {
	Alias       string `yaml:"alias"`
	Owner       string `yaml:"owner"`
	Environment string `yaml:"environment"`
}

// Book is the accounts of an organisation. A nil Book knows none.
type Book struct {
	accounts    map[string]Account // by their 12 digits
	ownerTags   []string
	environment []string
	digest      string

	mu      sync.RWMutex
	unknown map[string]struct{}
}

// New makes a book of accounts by their ids, as a test of rules has them.
func New(accounts map[string]Account) *Book {
	return &Book{accounts: accounts, unknown: map[string]struct{}{}}
}

// DefaultOwnerTags and DefaultEnvironmentTags are the tags of a resource that
// name its owner and its environment, unless the file names others.
var (
	DefaultOwnerTags       = []string{"owner", "team"}
	DefaultEnvironmentTags = []string{"environment", "env"}
)

// maxUnknown bounds the accounts that are remembered as missing in the file.
const maxUnknown = 10_000

// Look is what is known of an account. One that the file does not have is
// remembered for Unknown.
func (b *Book) Look(id string) Account {
	if b == nil || id == "" {
		return Account{}
	}
	a, ok := b.accounts[id]
	if !ok {
		b.miss(id)
	}
	return a
}

func (b *Book) miss(id string) {
	b.mu.RLock()
	_, known := b.unknown[id]
	full := len(b.unknown) >= maxUnknown
	b.mu.RUnlock()
	if known || full {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.unknown[id] = struct{}{}
}

// Unknown lists the accounts that were looked up and are not in the file, in
// order.
func (b *Book) Unknown() []string {
	if b == nil {
		return nil
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := make([]string, 0, len(b.unknown))
	for id := range b.unknown {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}

// Len is the number of accounts.
func (b *Book) Len() int {
	if b == nil {
		return 0
	}
	return len(b.accounts)
}

// Digest is 16 hex digits of the SHA-256 of the file, "" without one.
func (b *Book) Digest() string {
	if b == nil {
		return ""
	}
	return b.digest
}

// OwnerTags are the tags that name the owner of a resource.
func (b *Book) OwnerTags() []string {
	if b == nil || len(b.ownerTags) == 0 {
		return DefaultOwnerTags
	}
	return b.ownerTags
}

// EnvironmentTags are the tags that name the environment of a resource.
func (b *Book) EnvironmentTags() []string {
	if b == nil || len(b.environment) == 0 {
		return DefaultEnvironmentTags
	}
	return b.environment
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:8])
}
