package resource

import (
	"cmp"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/processor/account"
)

//go:embed catalogue/*.yml
var builtin embed.FS

// Catalogue says which events change which resources. It does not change after LoadCatalogue and may be shared by goroutines.
type Catalogue struct {
	types       map[string]*Type
	prefixes    map[string]*Type // of ids
	exact       map[call][]*entry
	versioned   map[call][]*entry // `on` with a trailing *
	entries     []*entry
	ownerTags   []string // lower case, in order of preference
	environment []string
	accounts    *account.Book
}

// call is what an entry answers to. Names repeat across sources, so both count.
type call struct{ source, name string }

// LoadCatalogue compiles the built-in catalogue and the folders in extra, whose .yml and .yaml files are read in the order of
// their names. A later folder replaces entries of the same source, name and type, and types of the same name. The error joins
// all errors found, each with file and line.
func LoadCatalogue(extra ...fs.FS) (*Catalogue, error) {
	own, err := fs.Sub(builtin, "catalogue")
	if err != nil {
		return nil, fmt.Errorf("load catalogue: %w", err)
	}
	l := loader{cat: &Catalogue{
		types: map[string]*Type{}, prefixes: map[string]*Type{}, exact: map[call][]*entry{}, versioned: map[call][]*entry{},
		ownerTags: account.DefaultOwnerTags, environment: account.DefaultEnvironmentTags,
	}}
	for _, folder := range append([]fs.FS{own}, extra...) {
		l.folder(folder)
	}
	l.compile()
	if err := errors.Join(l.errs...); err != nil {
		return nil, fmt.Errorf("load catalogue: %w", err)
	}
	return l.cat, nil
}

// WithTags returns a catalogue that reads owner and environment from these tags instead; case is ignored, the first that a
// resource has counts. An empty list leaves what stands.
func (c *Catalogue) WithTags(owner, environment []string) *Catalogue {
	d := *c
	d.ownerTags = lowered(owner, c.ownerTags)
	d.environment = lowered(environment, c.environment)
	return &d
}

// WithAccounts returns a catalogue whose views have the alias of their account, and its owner and environment where no tag says
// otherwise; the book also says which tags those are. A nil book knows nothing.
func (c *Catalogue) WithAccounts(book *account.Book) *Catalogue {
	d := c.WithTags(book.OwnerTags(), book.EnvironmentTags())
	d.accounts = book
	return d
}

func lowered(names, otherwise []string) []string {
	if len(names) == 0 {
		return otherwise
	}
	low := make([]string, len(names))
	for i, n := range names {
		low[i] = strings.ToLower(n)
	}
	return low
}

// Type returns what the catalogue knows of a type; nil when it knows nothing.
func (c *Catalogue) Type(name string) *Type { return c.types[name] }

// Types lists the names of all types, sorted.
func (c *Catalogue) Types() []string { return slices.Sorted(maps.Keys(c.types)) }

// Sources lists the event sources that have entries, sorted.
func (c *Catalogue) Sources() []string {
	set := map[string]bool{}
	for _, e := range c.entries {
		set[e.source] = true
	}
	return slices.Sorted(maps.Keys(set))
}

// Covers reports whether an event of that source and name can change a resource.
func (c *Catalogue) Covers(source, name string) bool { return len(c.find(call{source, name})) > 0 }

// find is one look-up for names without a version at their end, which are nearly all.
func (c *Catalogue) find(k call) []*entry {
	if found := c.exact[k]; found != nil {
		return found
	}
	if n := len(k.name); n < 9 || k.name[n-1] < '0' || k.name[n-1] > '9' {
		return nil
	}
	if base, ok := cutVersion(k.name); ok {
		return c.versioned[call{k.source, base}]
	}
	return nil
}

// cutVersion takes 20150331, 20150331v2 or 2020_05_31 off the end of a name.
func cutVersion(name string) (base string, ok bool) {
	rest := name
	if i := strings.LastIndexByte(rest, 'v'); i > 0 && len(rest)-i <= 3 && digits(rest[i+1:]) {
		rest = rest[:i]
	}
	for _, form := range [...]string{"dddd_dd_dd", "dddddddd"} {
		at := len(rest) - len(form)
		if at > 0 && dateLike(rest[at:], form) && (rest == name || form == "dddddddd") {
			return rest[:at], true
		}
	}
	return "", false
}

func digits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func dateLike(s, form string) bool {
	for i := range len(form) {
		if isDigit := '0' <= s[i] && s[i] <= '9'; isDigit != (form[i] == 'd') || !isDigit && s[i] != '_' {
			return false
		}
	}
	return true
}

// loader collects the layers of the catalogue before anything is compiled, because entries may name types of other files.
type loader struct {
	cat     *Catalogue
	layer   int
	typesAt map[string]typeSource
	sources []entrySource
	errs    []error
}

type typeSource struct {
	body   *node
	layer  int
	source string
}

type entrySource struct {
	body   *node
	layer  int
	source string
}

func (l *loader) fail(err error) {
	if err != nil {
		l.errs = append(l.errs, err)
	}
}

func (l *loader) folder(folder fs.FS) {
	l.layer++
	files, err := fs.ReadDir(folder, ".")
	l.fail(err)
	for _, f := range files {
		if ext := path.Ext(f.Name()); f.IsDir() || ext != ".yml" && ext != ".yaml" {
			continue
		}
		data, err := fs.ReadFile(folder, f.Name())
		if err != nil {
			l.fail(err)
			continue
		}
		l.fail(l.file(f.Name(), data))
	}
}

func (l *loader) file(name string, data []byte) error {
	doc, err := parseYAML(name, data)
	if err != nil {
		return err
	}
	var source string
	var types, events *node
	err = doc.fields(map[string]func(*node) error{
		"source": func(n *node) error { return n.string(&source) },
		"types":  func(n *node) error { types = n; return n.expect(mappingNode) },
		"events": func(n *node) error { events = n; return n.expect(listNode) },
	})
	if err != nil {
		return err
	}
	if source == "" {
		return doc.errorf("source is missing")
	}
	if types != nil {
		for _, p := range types.pairs {
			l.fail(l.typeBody(source, p))
		}
	}
	if events != nil {
		for _, body := range events.items {
			l.sources = append(l.sources, entrySource{body, l.layer, source})
		}
	}
	return nil
}

func (l *loader) typeBody(source string, p pair) error {
	if l.typesAt == nil {
		l.typesAt = map[string]typeSource{}
	}
	p.value.line = p.line
	if old, twice := l.typesAt[p.key]; twice && old.layer == l.layer {
		return p.value.errorf("type %s stands twice, first in %s:%d", p.key, old.body.file, old.body.line)
	}
	l.typesAt[p.key] = typeSource{p.value, l.layer, source}
	return nil
}

func (l *loader) compile() {
	for _, name := range slices.Sorted(maps.Keys(l.typesAt)) {
		src := l.typesAt[name]
		t, err := compileType(name, src.source, src.body)
		l.fail(err)
		l.cat.types[name] = t
		if t.prefix != "" {
			l.cat.prefixes[t.prefix] = t
		}
	}
	newest := map[string]int{} // layer of the newest entry per source, name and type
	var compiled []*entry
	for _, src := range l.sources {
		entries, err := l.entries(src)
		l.fail(err)
		for _, e := range entries {
			e.layer = src.layer
			newest[e.slot()] = max(newest[e.slot()], src.layer)
			compiled = append(compiled, e)
		}
	}
	for _, e := range compiled {
		if e.layer == newest[e.slot()] {
			l.cat.add(e)
		}
	}
}

func (c *Catalogue) add(e *entry) {
	c.entries = append(c.entries, e)
	if base, versions := strings.CutSuffix(e.on, "*"); versions {
		k := call{e.source, base}
		c.versioned[k] = append(c.versioned[k], e)
		c.exact[k] = append(c.exact[k], e)
		return
	}
	k := call{e.source, e.on}
	c.exact[k] = append(c.exact[k], e)
}

// byARN finds the type of the source to which an ARN belongs. The longest template decides, because it is the narrowest.
func (c *Catalogue) byARN(source, arn string) (*Type, identity) {
	var best *Type
	var found identity
	for _, t := range c.types {
		if t.Source != source || best != nil && cmp.Or(cmp.Compare(len(best.template), len(t.template)), cmp.Compare(best.Name, t.Name)) > 0 {
			continue
		}
		if id, ok := t.identify(arn); ok && id.arn != "" {
			best, found = t, id
		}
	}
	return best, found
}

// byPrefix finds the type to which an id such as "vol-0a1b" belongs; nil when no type has its prefix.
func (c *Catalogue) byPrefix(id string) *Type {
	i := strings.LastIndexByte(id, '-')
	return c.prefixes[id[:i+1]]
}
