package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairnstream/cairn/processor/replay"
)

// The names of the files that were replayed are kept in the local cache, for one
// purpose: to say which of them is missing when a later replay is refused. The
// state knows their digest only.
const namesFile = "replayed-files.txt"

// keepNames notes the files of a replay.
func keepNames(at place, in *replay.Inputs) error {
	var b strings.Builder
	for i := range in.Files {
		b.WriteString(in.Files[i].Name + "\n")
	}
	if err := os.MkdirAll(at.local(), 0o755); err != nil {
		return fmt.Errorf("note the files of the replay: %w", err)
	}
	if err := os.WriteFile(filepath.Join(at.local(), namesFile), []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("note the files of the replay: %w", err)
	}
	return nil
}

// missing completes the refusal of a replay with the first file that an earlier
// one had and this one has not.
func missing(at place, in *replay.Inputs, refusal error) error {
	kept, err := os.ReadFile(filepath.Join(at.local(), namesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return refusal
	}
	if err != nil {
		return errors.Join(refusal, err)
	}
	here := map[string]bool{}
	for i := range in.Files {
		here[in.Files[i].Name] = true
	}
	first, n := "", 0
	for name := range strings.Lines(string(kept)) {
		if name = strings.TrimSuffix(name, "\n"); !here[name] {
			if n++; n == 1 {
				first = name
			}
		}
	}
	if n == 0 {
		return fmt.Errorf("%w; all files of before are there: one has another size, or a new one sorts before the last of them", refusal)
	}
	return fmt.Errorf("%w; not there any more: %s%s", refusal, first, more(n-1))
}
