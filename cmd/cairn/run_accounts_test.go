package main

import (
	"bytes"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cairnstream/cairn/processor/fleet"
)

// TestAccountsAreReloaded: a good file is taken, a bad one leaves what stood
// and is named with its line, once.
func TestAccountsAreReloaded(t *testing.T) {
	name := filepath.Join(t.TempDir(), "accounts.yml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(`accounts: [{id: "111122223333", alias: shop}]`)
	e := &env{ctx: t.Context()}
	book, err := accountsFlag{name}.book(e)
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	metrics := fleet.NewMetrics()
	f := accountsFollower{file: accountsFlag{name}, accounts: fleet.NewAccounts(book), metrics: metrics, log: slog.New(slog.NewTextHandler(&said, nil))}
	alias := func() string { return f.accounts.Book().Look("111122223333").Alias }
	for _, step := range []struct{ text, alias, says string }{
		{`accounts: [{id: "111122223333", alias: shop}]`, "shop", ""},
		{`accounts: [{id: "111122223333", alias: store}]`, "store", "accounts reloaded"},
		{`accounts: [{id: 111122223333, alias: market}]`, "store", "accounts.yml:1:17: the id 111122223333 stands without quotes"},
		{`accounts: [{id: 111122223333, alias: market}]`, "store", ""},
		{"", "store", "no accounts"},
		{`accounts: [{id: "111122223333", alias: store}]`, "store", ""},
		{`accounts: [{id: "111122223333", alias: market}]`, "market", "accounts reloaded"},
	} {
		said.Reset()
		write(step.text)
		f.look(t.Context())
		if alias() != step.alias || !strings.Contains(said.String(), step.says) || (step.says == "") != (said.Len() == 0) {
			t.Errorf("%s: %s, said %q", step.text, alias(), said.String())
		}
	}
	if err := os.Remove(name); err != nil {
		t.Fatal(err)
	}
	if f.look(t.Context()); alias() != "market" || !strings.Contains(said.String(), "read the accounts of --accounts") {
		t.Errorf("%s after the file went: %s", alias(), said.String())
	}
	page := httptest.NewRecorder()
	metrics.Handler(false).ServeHTTP(page, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{`cairn_reloads_total{outcome="refused",what="accounts"} 3`, `cairn_reloads_total{outcome="taken",what="accounts"} 2`} {
		if !strings.Contains(page.Body.String(), want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
}
