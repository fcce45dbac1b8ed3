package replay

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"time"

	"github.com/cairnstream/cairn/state/blob"
)

// File is one input: a piece of the ordered log.
type File struct {
	Path     string    // as a person would name it in a shell
	Name     string    // relative to the folder or prefix it was found under: its identity in the log
	Size     int64     // bytes as stored
	Delivery time.Time // from its name; zero where the name has none
	first    time.Time // order: delivery, else the first eventTime in it
	open     func(context.Context) (io.ReadCloser, error)
}

// Inputs are the files of a replay in the order of the log.
type Inputs struct {
	Files   []File
	Skipped int   // files in folders whose names are not those of CloudTrail files
	Bytes   int64 // stored bytes of all files
	digests []string
	spooled []string // copies of streams
}

// wanted are the names that a folder or prefix yields; others are skipped.
var wanted = regexp.MustCompile(`(?i)\.(json|ndjson|jsonl)(\.gz)?$`)

// delivered finds the minute of delivery in the name of a CloudTrail log file:
// 111122223333_CloudTrail_eu-west-1_20260301T0915Z_16RandomCharsXXX.json.gz
// (AWS CloudTrail user guide, "CloudTrail log file name format").
// A digest file has seconds, and nothing behind them.
var delivered = regexp.MustCompile(`_(\d{8}T\d{4})(\d{2})?Z[_.]`)

// account finds the account in the path of a CloudTrail log file.
var account = regexp.MustCompile(`(?:^|/)(\d{12})(?:/CloudTrail|_CloudTrail)`)

// List finds the files behind paths: a file, a folder, an s3:// prefix, or "-"
// for standard input, which like a pipe is copied to a file in spool, because its
// length and digest must be known. The result is ordered by delivery time and name.
func List(ctx context.Context, paths []string, stdin io.Reader, spool string) (*Inputs, error) {
	in := &Inputs{}
	for _, p := range paths {
		if err := in.add(ctx, p, stdin, spool); err != nil {
			return nil, err
		}
	}
	if len(in.Files) == 0 {
		return nil, fmt.Errorf("no CloudTrail files in %s: a folder yields .json, .ndjson and .jsonl, each with or without .gz; name other files one by one",
			strings.Join(paths, " "))
	}
	return in, in.arrange(ctx)
}

// arrange makes one log of the files.
func (in *Inputs) arrange(ctx context.Context) error {
	if err := in.order(ctx); err != nil {
		return err
	}
	in.digest()
	return nil
}

func (in *Inputs) add(ctx context.Context, p string, stdin io.Reader, spool string) error {
	switch {
	case p == "-":
		return in.addStream(ctx, p, stdin, spool)
	case strings.HasPrefix(p, "s3://"):
		return in.addPrefix(ctx, p)
	}
	info, err := os.Stat(p)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s does not exist: name a CloudTrail file, a folder, an s3:// prefix, or - for standard input", p)
	}
	if err != nil {
		return fmt.Errorf("cannot look at %s: %w", p, err)
	}
	if info.IsDir() {
		return in.addFolder(p)
	}
	if !info.Mode().IsRegular() { // a pipe can be read once only
		f, err := os.Open(p)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", p, err)
		}
		defer func() { _ = f.Close() }()
		return in.addStream(ctx, p, f, spool)
	}
	in.addFile(p, filepath.Base(p), info.Size())
	return nil
}

// ListFS is List over the files of fsys that are CloudTrail's by name, for
// files that are part of the program; origin stands before their names in
// messages.
func ListFS(fsys fs.FS, origin string) (*Inputs, error) {
	in := &Inputs{}
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !wanted.MatchString(name) {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		in.append(File{Path: origin + ":" + name, Name: name, Size: info.Size(),
			open: func(context.Context) (io.ReadCloser, error) { return fsys.Open(name) }})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", origin, err)
	}
	return in, in.arrange(context.Background())
}

func (in *Inputs) addFolder(root string) error {
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if p != root && ours(p) {
				return fs.SkipDir
			}
			return nil
		}
		if !wanted.MatchString(p) {
			in.Skipped++
			return nil
		}
		info, err := os.Stat(p)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		in.addFile(p, filepath.ToSlash(name), info.Size())
		return nil
	})
	if err != nil {
		return fmt.Errorf("cannot read the folder %s: %w", root, err)
	}
	return nil
}

// ours tells a data folder of Cairn's own, which is no input.
func ours(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "lake", "_cairn.json"))
	return err == nil
}

func (in *Inputs) addFile(p, name string, size int64) {
	in.append(File{Path: p, Name: name, Size: size,
		open: func(context.Context) (io.ReadCloser, error) { return os.Open(p) }})
}

func (in *Inputs) addPrefix(ctx context.Context, url string) error {
	store, err := blob.Open(ctx, url)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", url, err)
	}
	for o, err := range store.List(ctx, "") {
		if err != nil {
			return fmt.Errorf("cannot list %s: %w", url, err)
		}
		if !wanted.MatchString(o.Key) {
			in.Skipped++
			continue
		}
		key := o.Key
		in.append(File{Path: strings.TrimSuffix(url, "/") + "/" + key, Name: key, Size: o.Size,
			open: func(ctx context.Context) (io.ReadCloser, error) { return store.Open(ctx, key) }})
	}
	return nil
}

// addStream copies standard input or a pipe to spool. Its digest is its name,
// so that other input is never taken for input that was replayed before.
func (in *Inputs) addStream(ctx context.Context, p string, r io.Reader, spool string) error {
	if err := os.MkdirAll(spool, 0o755); err != nil {
		return fmt.Errorf("make room for %s: %w", p, err)
	}
	f, err := os.CreateTemp(spool, "stream-*")
	if err != nil {
		return fmt.Errorf("make room for %s: %w", p, err)
	}
	name := f.Name()
	in.spooled = append(in.spooled, name)
	sum := sha256.New()
	type copied struct {
		size int64
		err  error
	}
	done := make(chan copied, 1)
	go func() { // a read from a terminal or pipe cannot be interrupted
		n, err := io.Copy(io.MultiWriter(f, sum), r)
		done <- copied{n, errors.Join(err, f.Close())}
	}()
	select {
	case c := <-done:
		if c.err != nil {
			return fmt.Errorf("read %s: %w", p, c.err)
		}
		in.append(File{Path: p, Name: "stream-" + hex.EncodeToString(sum.Sum(nil))[:32], Size: c.size,
			open: func(context.Context) (io.ReadCloser, error) { return os.Open(name) }})
		return nil
	case <-ctx.Done():
		return fmt.Errorf("read %s: %w", p, errors.Join(context.Cause(ctx), os.Remove(name)))
	}
}

// Close removes the copies of standard input and pipes.
func (in *Inputs) Close() error {
	var errs []error
	for _, name := range in.spooled {
		errs = append(errs, os.Remove(name))
	}
	in.spooled = nil
	return errors.Join(errs...)
}

func (in *Inputs) append(f File) {
	if m := delivered.FindStringSubmatch(path.Base(f.Name)); m != nil {
		if t, err := time.Parse("20060102T150405", m[1]+cmp.Or(m[2], "00")); err == nil {
			f.Delivery, f.first = t, t
		}
	}
	in.Files = append(in.Files, f)
	in.Bytes += f.Size
}

// order sorts by delivery time, else by the first eventTime in the file, then
// by name.
func (in *Inputs) order(ctx context.Context) error {
	for i := range in.Files {
		if f := &in.Files[i]; f.first.IsZero() {
			t, err := firstEventTime(ctx, f)
			if err != nil {
				return err
			}
			f.first = t
		}
	}
	sort.SliceStable(in.Files, func(i, j int) bool {
		a, b := &in.Files[i], &in.Files[j]
		if !a.first.Equal(b.first) {
			return a.first.Before(b.first)
		}
		return a.Name < b.Name
	})
	return nil
}

// digest chains name and size of the files: digests[i] stands for the log up
// to file i, so an input that only grew at its end is recognised.
func (in *Inputs) digest() {
	in.digests = make([]string, len(in.Files))
	var last [sha256.Size]byte
	for i, f := range in.Files {
		last = sha256.Sum256(fmt.Appendf(last[:], "%s\x00%d", f.Name, f.Size))
		in.digests[i] = hex.EncodeToString(last[:16])
	}
}

// AccountOf is the account in a file's name or key, for records that name none;
// "" without one.
func AccountOf(name string) string {
	if m := account.FindStringSubmatch(name); m != nil {
		return m[1]
	}
	return ""
}
