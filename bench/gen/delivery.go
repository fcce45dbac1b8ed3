package gen

import (
	"bufio"
	"cmp"
	"container/heap"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/gzip"
)

// CloudTrail writes a file for each account and region about every five minutes, three to ten minutes after its events.
const (
	interval = 5 * time.Minute
	minDelay = 3 * time.Minute
	spread   = 2 * time.Minute // of minDelay; with a whole interval of waiting the longest delay is ten minutes
	jumble   = 90              // seconds by which records of one file may stand out of order
)

// File is one log file as CloudTrail delivers it.
type File struct {
	Key       string // AWSLogs/<account>/CloudTrail/<region>/YYYY/MM/DD/<name>.json.gz
	Delivered time.Time
	Records   []Record
}

// JSON returns the content of the file before compression.
func (f *File) JSON() []byte {
	b := []byte(`{"Records":[`)
	for i, r := range f.Records {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, r.JSON...)
	}
	return append(b, "]}"...)
}

// WriteTo writes the compressed file. The gzip header holds no time, so equal records give equal bytes.
func (f *File) WriteTo(w io.Writer) (int64, error) {
	n := &counter{w: w}
	z := gzip.NewWriter(n)
	z.ModTime = time.Unix(0, 0) // the header's form of "no time"
	if _, err := z.Write(f.JSON()); err != nil {
		return n.n, fmt.Errorf("gen: compress %s: %w", f.Key, err)
	}
	if err := z.Close(); err != nil {
		return n.n, fmt.Errorf("gen: compress %s: %w", f.Key, err)
	}
	return n.n, nil
}

type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// Files yields the log files of all accounts in the order of their delivery. A few minutes of each account are in memory at a
// time, whatever the length of the corpus.
func (g *Generator) Files() iter.Seq[File] {
	return func(yield func(File) bool) {
		var q fileQueue
		defer func() {
			for _, s := range q {
				s.stop()
			}
		}()
		for _, a := range g.accounts {
			next, stop := iter.Pull(newWorld(g, a).files())
			q.add(stream{next: next, stop: stop})
		}
		for len(q) > 0 {
			s := heap.Pop(&q).(stream)
			late := !g.opts.Until.IsZero() && s.head.Delivered.After(g.opts.Until) // and so are all others
			if late || !yield(s.head) {
				s.stop()
				return
			}
			q.add(s)
		}
	}
}

// stream is the rest of one account's files.
type stream struct {
	head File
	next func() (File, bool)
	stop func()
}

type fileQueue []stream

// add puts a stream back with its next file, or drops it at its end.
func (q *fileQueue) add(s stream) {
	head, ok := s.next()
	if !ok {
		return
	}
	s.head = head
	heap.Push(q, s)
}

func (q fileQueue) Len() int { return len(q) }
func (q fileQueue) Less(i, j int) bool {
	a, b := &q[i].head, &q[j].head
	return cmp.Or(a.Delivered.Compare(b.Delivered), cmp.Compare(a.Key, b.Key)) < 0
}
func (q fileQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *fileQueue) Push(x any)   { *q = append(*q, x.(stream)) }
func (q *fileQueue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// delivery collects the records of one account until their files are due.
type delivery struct {
	account    string
	rng        *rand.Rand
	duplicates int
	open       map[slot][]queued
}

// slot names a file that is not yet written.
type slot struct {
	region string
	at     time.Time
}

type queued struct {
	Record
	order int64 // place in the file
}

// add gives a record to the file that will hold it, and now and then to a second one.
func (d *delivery) add(r Record) {
	wait := minDelay + time.Duration(d.rng.Int64N(int64(spread/time.Second)))*time.Second
	at := d.due(r.Region, r.Time.Add(wait))
	d.put(r, at)
	if d.duplicates > 0 && d.rng.IntN(1_000_000) < d.duplicates {
		d.put(r, at.Add(interval*time.Duration(1+d.rng.IntN(2))))
	}
}

func (d *delivery) put(r Record, at time.Time) {
	r.Delivered = at
	s := slot{r.Region, at}
	d.open[s] = append(d.open[s], queued{r, r.Time.Unix() + d.rng.Int64N(jumble)})
}

// due returns the first instant not before t at which a file of the region is written. Accounts and regions have their own minute.
func (d *delivery) due(region string, t time.Time) time.Time {
	offset := time.Duration((int(d.account[11])+len(region))%5) * time.Minute
	at := t.Truncate(interval).Add(offset)
	for at.Before(t) {
		at = at.Add(interval)
	}
	for !at.Add(-interval).Before(t) {
		at = at.Add(-interval)
	}
	return at
}

// take returns the files that no event after now can join any more, in order.
func (d *delivery) take(now time.Time) []File {
	var ready []slot
	for s := range d.open {
		if !s.at.Add(-minDelay).After(now) {
			ready = append(ready, s)
		}
	}
	slices.SortFunc(ready, func(a, b slot) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.region, b.region)) })
	files := make([]File, len(ready))
	for i, s := range ready {
		files[i] = d.file(s)
		delete(d.open, s)
	}
	return files
}

func (d *delivery) file(s slot) File {
	held := d.open[s]
	slices.SortStableFunc(held, func(a, b queued) int { return cmp.Compare(a.order, b.order) })
	f := File{Delivered: s.at, Records: make([]Record, len(held))}
	for i, q := range held {
		f.Records[i] = q.Record
	}
	f.Key = fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%s.json.gz", d.account, s.region,
		s.at.Format("2006/01/02"), d.account, s.region, s.at.Format("20060102T1504Z"), text(d.rng, alnum, 16))
	return f
}

// Summary counts what Write wrote.
type Summary struct {
	Files, Events, Labelled int
	Bytes, JSON             int64 // compressed and not
}

// Write writes the corpus below dir, in the layout of a CloudTrail bucket, and beside it labels.tsv, which names the records that
// belong to attacks: event id, account, time, event name, attack, technique, step. Its directories are made as needed.
func (g *Generator) Write(dir string) (Summary, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return Summary{}, fmt.Errorf("gen: %w", err)
	}
	return g.write(dir, filepath.Join(dir, "labels.tsv"))
}

func (g *Generator) write(dir, labelFile string) (Summary, error) {
	var sum Summary
	labels := [][]byte{[]byte("event_id\taccount\ttime\tevent_name\tattack\ttechnique\tstep\n")}
	for f := range g.Files() {
		n, err := writeFile(filepath.Join(dir, filepath.FromSlash(f.Key)), &f)
		if err != nil {
			return sum, err
		}
		sum.Files++
		sum.Bytes += n
		sum.Events += len(f.Records)
		for _, r := range f.Records {
			sum.JSON += int64(len(r.JSON))
			if r.Label != nil {
				sum.Labelled++
				labels = append(labels, labelLine(&r))
			}
		}
	}
	err := os.WriteFile(labelFile, slices.Concat(labels...), 0o644)
	if err != nil {
		return sum, fmt.Errorf("gen: labels: %w", err)
	}
	return sum, nil
}

func labelLine(r *Record) []byte {
	return fmt.Appendf(nil, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.ID, r.Account, r.Time.Format(stamp), r.Name,
		r.Label.Attack, r.Label.Technique, r.Label.Step)
}

func writeFile(path string, f *File) (n int64, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, fmt.Errorf("gen: %w", err)
	}
	out, err := os.Create(path)
	if err != nil {
		return 0, fmt.Errorf("gen: %w", err)
	}
	w := bufio.NewWriter(out)
	n, err = f.WriteTo(w)
	if err == nil {
		err = w.Flush()
	}
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return n, fmt.Errorf("gen: write %s: %w", path, err)
	}
	return n, nil
}
