package account

import (
	"errors"
	"fmt"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
)

// document is the accounts file.
type document struct {
	OwnerTags       []string `yaml:"owner_tags"`
	EnvironmentTags []string `yaml:"environment_tags"`
	Accounts        entries  `yaml:"accounts"`
}

// entries are read one by one, so that a mistake in one hides none in others.
type entries struct {
	list     []entry
	problems []error
}

// UnmarshalYAML keeps what can be read, and the mistakes.
func (e *entries) UnmarshalYAML(n ast.Node) error {
	list, ok := n.(*ast.SequenceNode)
	if !ok {
		return yaml.NodeToValue(n, &e.list, yaml.Strict())
	}
	for _, item := range list.Values {
		var one entry
		if err := yaml.NodeToValue(item, &one, yaml.Strict()); err != nil {
			e.problems = append(e.problems, err)
			continue
		}
		e.list = append(e.list, one)
	}
	return nil
}

// entry is one account. What is read beside the account itself is checked and
// not used yet: it is for those who describe accounts with their own role.
type entry struct {
	ID          quoted   `yaml:"id"`
	Alias       string   `yaml:"alias"`
	Owner       string   `yaml:"owner"`
	Environment string   `yaml:"environment"`
	Role        string   `yaml:"role"`
	ExternalID  string   `yaml:"external_id"`
	Regions     []string `yaml:"regions"`
	line, col   int
}

// UnmarshalYAML notes where the entry stands.
func (e *entry) UnmarshalYAML(n ast.Node) error {
	type plain entry // without this method
	if err := yaml.NodeToValue(n, (*plain)(e), yaml.Strict()); err != nil {
		return err
	}
	e.line, e.col = place(n)
	return nil
}

// quoted is a text that YAML must not read as a number.
type quoted struct {
	text      string
	bare      bool
	line, col int
}

// UnmarshalYAML keeps the text as it is written, and whether it was in quotes.
func (q *quoted) UnmarshalYAML(n ast.Node) error {
	q.line, q.col = place(n)
	switch v := n.(type) {
	case *ast.StringNode:
		q.text = v.Value
	case *ast.NullNode:
	default:
		q.text, q.bare = n.GetToken().Value, true
	}
	return nil
}

// place is where a node begins: a map at its first key.
func place(n ast.Node) (line, col int) {
	switch v := n.(type) {
	case *ast.MappingNode:
		if len(v.Values) > 0 {
			return place(v.Values[0])
		}
	case *ast.MappingValueNode:
		return place(v.Key)
	}
	p := n.GetToken().Position
	return p.Line, p.Column
}

// Parse reads an accounts file. The error joins all mistakes, each as
// "<file>:<line>:<column>: <what is wrong, and what to write>".
func Parse(file string, data []byte) (*Book, error) {
	var d document
	if err := yaml.UnmarshalWithOptions(data, &d, yaml.Strict()); err != nil {
		return nil, located(file, err)
	}
	b := &Book{accounts: map[string]Account{}, ownerTags: d.OwnerTags, environment: d.EnvironmentTags, digest: digest(data), unknown: map[string]struct{}{}}
	c := checker{file: file, lines: map[string]int{}, aliases: map[string]string{}}
	for _, err := range d.Accounts.problems {
		c.problems = append(c.problems, located(file, err))
	}
	for i := range d.Accounts.list {
		e := &d.Accounts.list[i]
		c.entry(e)
		b.accounts[e.ID.text] = Account{Alias: e.Alias, Owner: e.Owner, Environment: e.Environment}
	}
	if len(d.Accounts.list)+len(c.problems) == 0 {
		c.fail(1, 1, `no accounts: write accounts: [{id: "111122223333", alias: payments-prod, owner: payments, environment: prod}]`)
	}
	if err := errors.Join(c.problems...); err != nil {
		return nil, err
	}
	return b, nil
}

// located gives an error of the YAML reader the place that it has.
func located(file string, err error) error {
	line, col, text := 1, 1, err.Error()
	var at yaml.Error
	if errors.As(err, &at) {
		text = at.GetMessage()
		if t := at.GetToken(); t != nil {
			line, col = t.Position.Line, t.Position.Column
		}
	}
	if strings.HasPrefix(text, "unknown field") {
		text += ": an account has id, alias, owner, environment, role, external_id and regions; beside accounts stand owner_tags and environment_tags"
	}
	return fmt.Errorf("%s:%d:%d: %s", file, line, col, text)
}

// checker looks for what the form alone does not show.
type checker struct {
	file     string
	lines    map[string]int    // of ids
	aliases  map[string]string // to ids
	problems []error
}

func (c *checker) fail(line, col int, format string, args ...any) {
	c.problems = append(c.problems, fmt.Errorf("%s:%d:%d: %s", c.file, line, col, fmt.Sprintf(format, args...)))
}

func (c *checker) entry(e *entry) {
	id := e.ID
	switch {
	case id.text == "":
		c.fail(e.line, e.col, `an account needs its id: write id: "111122223333"`)
		return
	case id.bare:
		c.fail(id.line, id.col, `the id %s stands without quotes and would lose leading zeros as a number: write id: "%s"`, id.text, id.text)
		return
	case !twelveDigits(id.text):
		c.fail(id.line, id.col, "%q is no account id: it has 12 digits and nothing else", id.text)
		return
	}
	if first, twice := c.lines[id.text]; twice {
		c.fail(id.line, id.col, "account %s stands in line %d already: take one of the two out", id.text, first)
		return
	}
	c.lines[id.text] = id.line
	if other, taken := c.aliases[e.Alias]; taken && e.Alias != "" {
		c.fail(id.line, id.col, "the alias %s is that of %s too: give each account its own, for people go by it", e.Alias, other)
	}
	c.aliases[e.Alias] = id.text
	if e.Alias == "" && e.Owner == "" && e.Environment == "" {
		c.fail(id.line, id.col, "nothing is said of account %s: give it an alias, an owner or an environment, or take it out", id.text)
	}
}

func twelveDigits(s string) bool {
	return len(s) == 12 && strings.Trim(s, "0123456789") == ""
}
