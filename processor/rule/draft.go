package rule

// draft is what is known of a rule only while all are loaded: what refers to
// other rules, and what was written where.
type draft struct {
	doc         *document
	source      int // the folder, in the order of Load
	vendor      *node
	suppress    *Suppress
	leveled     bool  // level or severity is written
	raise       *node // condition that raises the level
	correlation *correlation
	filter      *filter
	detection   *detection

	elsewhere bool // a correlation over rules for other log sources

	hidden    []*Rule // of the old form: the rules that it stood for
	converted *node   // of the old form: its correlation
	condition string  // of a hidden rule: what it took of the old condition
}
