package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the directory store promises for a power loss cannot be seen from outside: without one, files are there whether they were
// synced or not. So a process is traced, and its system calls are replayed into a file system that keeps only what it must.

// tracedEnv makes the test binary the process that TestPowerLoss traces.
const tracedEnv = "CAIRN_TEST_TRACED_DIR"

// runTraced does each write of the store once or more and says on standard output what is now promised: "there KEY" or "gone KEY".
func runTraced(root string) error {
	ctx := context.Background()
	d, err := OpenDir(root)
	if err != nil {
		return err
	}
	promise := func(err error, words ...string) error {
		if err == nil {
			_, err = os.Stdout.WriteString(strings.Join(words, " ") + "\n") // one system call
		}
		return err
	}
	put := func(key, value string) error {
		_, err := d.Put(ctx, key, []byte(value))
		return promise(err, "there", key)
	}
	putIf := func(key, value, etag string) error {
		_, err := d.PutIf(ctx, key, []byte(value), etag)
		return promise(err, "there", key)
	}
	stages := func(name string) error {
		upload, err := d.Create(ctx, name)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(upload, name); err != nil {
			return err
		}
		return promise(upload.Commit(ctx), "there", name)
	}
	publish := func(from, to string) error {
		return promise(d.Publish(ctx, from, to), "there", to, "gone", from)
	}
	return errors.Join(
		put("a/b/c", "1"), put("a/b/c", "2"), put("a/d", "3"), put("top", "4"),
		putIf("m/n/MANIFEST", "1", ""), putIf("m/n/MANIFEST", "2", etagOf([]byte("1"))),
		stages("_stage/s/1"), publish("_stage/s/1", "events/dt=1/f"), publish("_stage/s/1", "events/dt=1/f"),
		tracedMany(ctx, d, promise))
}

func tracedMany(ctx context.Context, d *Dir, promise func(error, ...string) error) error {
	var uploads []Upload
	var moves []Move
	var staged, published []string
	for i := range 12 {
		m := Move{Stage: fmt.Sprintf("_stage/many/%d", i), Final: fmt.Sprintf("findings/dt=%d/%d", i%3, i)}
		u, err := d.Create(ctx, m.Stage)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(u, m.Stage); err != nil {
			return err
		}
		uploads, moves = append(uploads, u), append(moves, m)
		staged = append(staged, "there", m.Stage)
		published = append(published, "there", m.Final, "gone", m.Stage)
	}
	if err := promise(CommitAll(ctx, uploads), staged...); err != nil {
		return err
	}
	return promise(PublishAll(ctx, d, moves), published...)
}

// TestPowerLoss needs strace. Where it cannot run the test is skipped, but not in CI.
func TestPowerLoss(t *testing.T) {
	root := filepath.Join(t.TempDir(), "new", "store")
	trace := filepath.Join(t.TempDir(), "trace")
	cmd := exec.Command("strace", "-f", "-y", "-s", "4096", "-o", trace,
		"-e", "trace=write,pwrite64,writev,ftruncate,fsync,fdatasync,rename,renameat,renameat2,mkdir,mkdirat", os.Args[0])
	cmd.Env = append(os.Environ(), tracedEnv+"="+root)
	out, err := cmd.CombinedOutput()
	data, readErr := os.ReadFile(trace)
	if noTrace := readErr != nil || len(data) == 0; noTrace && os.Getenv("CI") != "true" {
		t.Skipf("strace does not work here: %v %s", err, out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	disk := newDisk(filepath.Dir(filepath.Dir(root)), root)
	for line := range strings.Lines(string(data)) {
		disk.replay(strings.TrimSuffix(line, "\n"))
	}
	for _, broken := range disk.broken {
		t.Error(broken)
	}
	if disk.promises < 40 || disk.renames < 20 {
		t.Errorf("%d promises and %d renames seen in %d bytes of trace", disk.promises, disk.renames, len(data))
	}
}

// disk is what is known of a file system that loses, at a power loss, whatever it was not made to keep.
type disk struct {
	base, root string
	unsynced   map[string]bool            // files with bytes that may be lost, by path
	loose      map[string]map[string]bool // by directory, the names whose change may be lost
	started    map[string]started         // by thread, a system call that another one interrupts in the trace
	broken     []string
	promises   int
	renames    int
}

type started struct {
	text    string
	covered []string // what a sync that began now will have made sure of
}

func newDisk(base, root string) *disk {
	return &disk{base: base, root: root, unsynced: map[string]bool{}, loose: map[string]map[string]bool{}, started: map[string]started{}}
}

var (
	traceLine = regexp.MustCompile(`^(\d+) +(?:<\.\.\. \w+ resumed>)?(.*)$`)
	syncCall  = regexp.MustCompile(`^f(?:data)?sync\(\d+<([^>]*)>`)
	writeCall = regexp.MustCompile(`^(?:write|pwrite64|writev|ftruncate)\((\d+)<([^>]*)>(?:, "((?:[^"\\]|\\.)*)")?`)
	moveCall  = regexp.MustCompile(`^rename(?:at2?)?\((?:AT_FDCWD<[^>]*>, )?"([^"]*)", (?:AT_FDCWD<[^>]*>, )?"([^"]*)"`)
	makeCall  = regexp.MustCompile(`^mkdir(?:at)?\((?:AT_FDCWD<[^>]*>, )?"([^"]*)"`)
)

// replay takes a line of the trace: a call, its begin ("unfinished") or its end ("resumed"). A change counts from its begin on, a
// sync for what was changed before its begin, and after its end.
func (d *disk) replay(line string) {
	parts := traceLine.FindStringSubmatch(line)
	if parts == nil {
		return
	}
	thread, text := parts[1], parts[2]
	call, resumed := d.started[thread]
	if resumed {
		delete(d.started, thread)
		d.end(call, text)
		return
	}
	call = d.begin(text)
	if strings.HasSuffix(text, "<unfinished ...>") {
		d.started[thread] = call
		return
	}
	d.end(call, text)
}

func (d *disk) begin(text string) started {
	call := started{text: text}
	if m := syncCall.FindStringSubmatch(text); m != nil {
		call.covered = d.pending(m[1])
	} else if m := writeCall.FindStringSubmatch(text); m != nil {
		d.write(m[1], m[2], m[3])
	} else if m := moveCall.FindStringSubmatch(text); m != nil {
		d.move(m[1], m[2])
	} else if m := makeCall.FindStringSubmatch(text); m != nil {
		d.change(m[1])
	}
	return call
}

// pending is what a sync of a path makes sure of: the bytes of a file, the names in a directory.
func (d *disk) pending(path string) (what []string) {
	for name := range d.loose[path] {
		what = append(what, name)
	}
	if d.unsynced[path] {
		what = append(what, path)
	}
	return what
}

func (d *disk) end(call started, text string) {
	m := syncCall.FindStringSubmatch(call.text)
	if m == nil || !strings.HasSuffix(text, " = 0") {
		return
	}
	for _, name := range call.covered {
		delete(d.loose[m[1]], name)
		if name == m[1] {
			delete(d.unsynced, name)
		}
	}
}

func (d *disk) write(fd, path, bytes string) {
	if fd == "1" {
		d.check(strings.Fields(strings.TrimSuffix(bytes, `\n`)))
		return
	}
	if strings.HasPrefix(path, d.root+"/") {
		d.unsynced[path] = true
	}
}

func (d *disk) move(from, to string) {
	d.renames++
	if d.unsynced[from] {
		d.broken = append(d.broken, fmt.Sprintf("%s becomes visible before its bytes are on disk: a power loss leaves a torn object", d.short(to)))
	}
	delete(d.unsynced, from)
	d.change(from)
	d.change(to)
}

// change notes that a name appears in its directory or goes.
func (d *disk) change(path string) {
	dir := filepath.Dir(path)
	if !strings.HasPrefix(dir+"/", d.base+"/") {
		return
	}
	if d.loose[dir] == nil {
		d.loose[dir] = map[string]bool{}
	}
	d.loose[dir][path] = true
}

// check holds a line of promises against what would be left.
func (d *disk) check(words []string) {
	for ; len(words) >= 2; words = words[2:] {
		d.promises++
		path := filepath.Join(d.root, words[1])
		if d.unsynced[path] {
			d.broken = append(d.broken, fmt.Sprintf("%s is promised and its bytes may be lost", d.short(path)))
		}
		if words[0] == "gone" {
			if d.loose[filepath.Dir(path)][path] {
				d.broken = append(d.broken, fmt.Sprintf("%s is published and may come back", d.short(path)))
			}
			continue
		}
		for ; path != d.base; path = filepath.Dir(path) {
			if d.loose[filepath.Dir(path)][path] {
				d.broken = append(d.broken, fmt.Sprintf("%s is promised and %s may be lost", words[1], d.short(path)))
			}
		}
	}
}

func (d *disk) short(path string) string { return strings.TrimPrefix(path, d.base+"/") }

// TestDiskForgets: the replay itself, on traces with one thing left out.
func TestDiskForgets(t *testing.T) {
	const write, sync = `7 write(5</b/r/.tmp/1>, "x", 1) = 1`, `7 fsync(5</b/r/.tmp/1>) = 0`
	const move, syncDir = `7 renameat(AT_FDCWD</w>, "/b/r/.tmp/1", AT_FDCWD</w>, "/b/r/a") = 0`, `7 fsync(6</b/r>) = 0`
	const promise = `7 write(1<pipe:[3]>, "there a\n", 8) = 8`
	for name, test := range map[string]struct {
		trace []string
		want  string // "": nothing is broken
	}{
		"all":                     {[]string{write, sync, move, syncDir, promise}, ""},
		"no sync of the file":     {[]string{write, move, syncDir, promise}, "torn"},
		"sync before the write":   {[]string{sync, write, move, syncDir, promise}, "torn"},
		"failed sync":             {[]string{write, strings.Replace(sync, "= 0", "= -1 EIO", 1), move, syncDir, promise}, "torn"},
		"no sync of the folder":   {[]string{write, sync, move, promise}, "may be lost"},
		"folder synced too early": {[]string{write, sync, syncDir, move, promise}, "may be lost"},
		"sync begun too early": {[]string{write, sync, `8 fsync(6</b/r> <unfinished ...>`, move, `8 <... fsync resumed>) = 0`, promise},
			"may be lost"},
		"sync in two lines":    {[]string{write, sync, move, `8 fsync(6</b/r> <unfinished ...>`, `7 sched`, `8 <... fsync resumed>) = 0`, promise}, ""},
		"sync not yet ended":   {[]string{write, sync, move, `8 fsync(6</b/r> <unfinished ...>`, promise}, "may be lost"},
		"written to afterward": {[]string{write, sync, move, syncDir, `7 write(5</b/r/a>, "y", 1) = 1`, promise}, "its bytes"},
		"folder made":          {[]string{`7 mkdirat(AT_FDCWD</w>, "/b/r", 0755) = 0`, write, sync, move, syncDir, promise}, "r may be lost"},
		"stage may come back": {[]string{`7 rename("/b/r/s/1", "/b/r/a") = 0`, syncDir, `7 write(1<pipe:[3]>, "there a gone s/1\n", 8) = 8`},
			"may come back"},
	} {
		d := newDisk("/b", "/b/r")
		for _, line := range test.trace {
			d.replay(line)
		}
		got := strings.Join(d.broken, "; ")
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
		if d.promises == 0 {
			t.Errorf("%s: no promise seen", name)
		}
	}
}
