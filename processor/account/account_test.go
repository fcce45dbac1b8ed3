package account

import (
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const file = `owner_tags: [cost-owner]
accounts:
  - {id: "011122223333", alias: payments-prod, owner: payments, environment: prod, role: "arn:aws:iam::011122223333:role/cairn-describe", external_id: example, regions: [eu-west-1]}
  - id: '444455556666'
    owner: research
`

func TestABookAnswers(t *testing.T) {
	b, err := Parse("accounts.yml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]Account{
		"011122223333": {Alias: "payments-prod", Owner: "payments", Environment: "prod"}, "444455556666": {Owner: "research"}, "777788889999": {}, "": {},
	} {
		if got := b.Look(id); got != want {
			t.Errorf("%s: %+v, want %+v", id, got, want)
		}
	}
	if diff := cmp.Diff([]string{"777788889999"}, b.Unknown()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([][]string{{"cost-owner"}, {"environment", "env"}}, [][]string{b.OwnerTags(), b.EnvironmentTags()}); diff != "" {
		t.Error(diff)
	}
	if b.Len() != 2 || len(b.Digest()) != 16 {
		t.Errorf("%d accounts, digest %q", b.Len(), b.Digest())
	}
}

func TestWithoutAFileNothingIsKnown(t *testing.T) {
	var b *Book
	if b.Look("111122223333") != (Account{}) || b.Unknown() != nil || b.Len() != 0 || b.Digest() != "" || b.OwnerTags()[0] != "owner" {
		t.Error("a nil book knows something")
	}
}

func TestMistakesAreNamedWithTheirPlace(t *testing.T) {
	for text, want := range map[string]string{
		"accounts:\n  - {id: 011122223333, alias: a}":                                       `a.yml:2:10: the id 011122223333 stands without quotes and would lose leading zeros as a number: write id: "011122223333"`,
		"accounts:\n  - {id: 111122223333, alias: a}":                                       `a.yml:2:10: the id 111122223333 stands without quotes`,
		"accounts:\n  - alias: a\n":                                                         `a.yml:2:5: an account needs its id: write id: "111122223333"`,
		"accounts:\n  - {id: '12', alias: a}":                                               `a.yml:2:10: "12" is no account id: it has 12 digits and nothing else`,
		"accounts:\n  - {id: '111122223333'}":                                               "a.yml:2:10: nothing is said of account 111122223333",
		"accounts:\n  - {id: '111122223333', alias: a}\n  - {id: '111122223333', alias: b}": "a.yml:3:10: account 111122223333 stands in line 2 already",
		"accounts:\n  - {id: '111122223333', alias: a}\n  - {id: '444455556666', alias: a}": "a.yml:3:10: the alias a is that of 111122223333 too",
		"accounts:\n  - {id: '111122223333', alais: a}":                                     `a.yml:2:26: unknown field "alais": an account has id, alias`,
		"acounts: []": `a.yml:1:1: unknown field "acounts"`,
		"":            "a.yml:1:1: no accounts: write accounts: [{id:",
		"accounts: [": "a.yml:1:11: ",
		"accounts: x": "a.yml:1:11: ",
	} {
		_, err := Parse("a.yml", []byte(text))
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s\n%v\nwant %s", text, err, want)
		}
	}
}

func TestAllMistakesAreTold(t *testing.T) {
	_, err := Parse("a.yml", []byte("accounts:\n- {id: 1}\n- {id: '2'}\n- {alias: x}\n- {id: '111122223333', alais: x}\n- {id: '111122223333', regions: 3}\n- {id: '111122223333', ownr: x}\n"))
	if err == nil || len(strings.Split(err.Error(), "\n")) != 6 {
		t.Errorf("%v", err)
	}
}

func TestManyMayAskAtOnce(t *testing.T) {
	b, err := Parse("a.yml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				b.Look("777788889999")
			}
		})
	}
	all.Wait()
	if len(b.Unknown()) != 1 {
		t.Error(b.Unknown())
	}
}
