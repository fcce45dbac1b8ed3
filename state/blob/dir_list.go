package blob

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// List walks the directories below prefix in key order.
func (d *Dir) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		l := lister{ctx: ctx, store: d, prefix: prefix, yield: yield}
		base := ""
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			base = prefix[:i+1]
			if checkKey(prefix[:i]) != nil {
				return // no key can begin so
			}
		}
		l.walk(base)
	}
}

type lister struct {
	ctx    context.Context
	store  *Dir
	prefix string
	yield  func(Object, error) bool
}

// walk yields everything in the folder base, which is "" or ends in a slash.
// It returns false when the walk is over.
func (l *lister) walk(base string) bool {
	if err := l.ctx.Err(); err != nil {
		return l.fail(base, err)
	}
	entries, err := os.ReadDir(filepath.Join(l.store.root, filepath.FromSlash(base)))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return true // removed meanwhile, or never there, or an object
	}
	if err != nil {
		return l.fail(base, explain(err))
	}
	names := entryNames(entries)
	for _, name := range names {
		if !l.visit(base, name) {
			return false
		}
	}
	return true
}

// entryNames gives folders a trailing slash before sorting, because "a-b"
// comes before "a/b" although "a" comes before "a-b".
func entryNames(entries []fs.DirEntry) []string {
	names := make([]string, len(entries))
	for i, entry := range entries {
		names[i] = entry.Name()
		if entry.IsDir() {
			names[i] += "/"
		}
	}
	slices.Sort(names)
	return names
}

func (l *lister) visit(base, name string) bool {
	key := base + name
	if key == tempDir+"/" || key == lockDir+"/" {
		return true
	}
	if strings.HasSuffix(name, "/") {
		if strings.HasPrefix(key, l.prefix) || strings.HasPrefix(l.prefix, key) {
			return l.walk(key)
		}
		return true
	}
	if !strings.HasPrefix(key, l.prefix) {
		return true
	}
	info, err := os.Stat(filepath.Join(l.store.root, filepath.FromSlash(key)))
	if errors.Is(err, fs.ErrNotExist) {
		return true // deleted or published since the folder was read
	}
	if err != nil {
		return l.fail(key, explain(err))
	}
	return l.yield(Object{Key: key, Size: info.Size(), Modified: info.ModTime().UTC()}, nil)
}

func (l *lister) fail(key string, err error) bool {
	l.yield(Object{}, failed("list", key, err))
	return false
}
