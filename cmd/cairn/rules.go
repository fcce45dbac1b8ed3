package main

import (
	"fmt"
	"io/fs"
	"os"

	"github.com/cairnstream/cairn/export/yamlat"
	"github.com/cairnstream/cairn/processor/rule"
	"github.com/cairnstream/cairn/processor/rule/pack"
)

// ruleFlags choose the rules of a run.
type ruleFlags struct {
	Rules          []string `help:"Folder of rules to add (repeatable); a rule with the id of a bundled one replaces it." placeholder:"DIR" env:"CAIRN_RULES"`
	NoDefaultRules bool     `help:"Leave the bundled rules out." env:"CAIRN_NO_DEFAULT_RULES"`
}

// load compiles the chosen rules. An error names every broken rule with file,
// line and advice.
func (f ruleFlags) load(e *env) (*rule.Set, error) {
	sources, err := f.sources()
	if err != nil {
		return nil, err
	}
	set, _, err := rule.Load(rule.Options{}, sources...)
	if err != nil {
		return nil, e.eachLine(err, "the rules have mistakes")
	}
	return set, nil
}

func (f ruleFlags) sources() ([]fs.FS, error) {
	var sources []fs.FS
	if !f.NoDefaultRules {
		sources = append(sources, pack.FS())
	}
	more, err := folders(f.Rules)
	return append(sources, more...), err
}

// folders opens folders of rules.
func folders(dirs []string) ([]fs.FS, error) {
	var out []fs.FS
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		switch {
		case err != nil:
			return nil, fmt.Errorf("cannot read the rules in %s: %w", dir, err)
		case !info.IsDir():
			return nil, fmt.Errorf("%s is not a folder: --rules takes the folder that holds the rule files", dir)
		}
		out = append(out, yamlat.Folder{FS: os.DirFS(dir), Name: dir})
	}
	return out, nil
}

type rulesCmd struct {
	Check rulesCheckCmd `cmd:"" help:"Load rules and report errors, warnings and what was left out."`
	List  rulesListCmd  `cmd:"" help:"List the rules with their severity and tactics."`
	Test  rulesTestCmd  `cmd:"" help:"Run the tests that stand beside the rules."`

	Backtest rulesBacktestCmd `cmd:"" help:"Run two sets of rules over a history and tell what differs."`
}

// rulesArgs name the folders of a rules command; without any, the bundled
// rules are meant.
type rulesArgs struct {
	Dirs []string `arg:"" optional:"" name:"dir" help:"Folders of rules (default: the bundled rules)."`
	output
}

func (a rulesArgs) sources() ([]fs.FS, error) {
	if len(a.Dirs) == 0 {
		return []fs.FS{pack.FS()}, nil
	}
	return folders(a.Dirs)
}
