package replay

import (
	"cmp"
	"context"
	"io"
	"iter"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/cairnstream/cairn/processor/cloudtrail"
	"github.com/cairnstream/cairn/state/blob"
)

// Piece is a decoded part of a file.
type Piece struct {
	File    int // its place in Inputs.Files
	Records cloudtrail.Records
	Last    bool  // of its file
	Err     error // why the file, or the rest of it, could not be read; then Last is set
}

// Decode reads and decodes the files ahead of their use, as a replay does, and
// yields their pieces in the order of Files, for those who do something else
// with events than a replay. Decoders is the number of files decoded at once,
// 0: one per core. It goes on behind a file that cannot be read. When ctx ends
// it just stops.
func (in *Inputs) Decode(ctx context.Context, decoders int) iter.Seq[Piece] {
	if decoders <= 0 {
		decoders = runtime.GOMAXPROCS(0)
	}
	return func(yield func(Piece) bool) {
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		l := load(ctx, in.Files, 0, decoders)
		for out := range l.order {
			for p := range out {
				l.room.give(p.cost)
				if ctx.Err() != nil || !yield(Piece{File: p.file, Records: p.records, Last: p.last, Err: p.err}) {
					return
				}
			}
		}
	}
}

// Object is a CloudTrail file in a store, such as a notification names.
type Object struct {
	Store blob.Store
	Key   string
	Size  int64 // bytes as stored, as far as known
}

// Objects makes inputs of objects, in the order of the delivery minutes in
// their names; those without one come first. Files[i] is objects[order[i]].
// Nothing is read before Decode, so an object may turn out to be missing.
func Objects(objects []Object) (in *Inputs, order []int) {
	in = &Inputs{}
	for i, o := range objects {
		in.append(File{Path: strings.TrimSuffix(o.Store.URL(), "/") + "/" + o.Key, Name: o.Key, Size: max(0, o.Size),
			open: func(ctx context.Context) (io.ReadCloser, error) { return o.Store.Open(ctx, o.Key) }})
		order = append(order, i)
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(in.Files[a].Delivery.Compare(in.Files[b].Delivery), strings.Compare(objects[a].Key, objects[b].Key))
	})
	files := make([]File, len(order))
	for i, at := range order {
		files[i] = in.Files[at]
	}
	in.Files = files
	return in, order
}

// Wanted tells whether a file of that name may hold CloudTrail records. One
// with another ending does not, nor does a digest, with which CloudTrail signs
// its files.
func Wanted(name string) bool {
	return wanted.MatchString(name) && !strings.Contains("/"+name, "/CloudTrail-Digest/") &&
		!strings.Contains(path.Base(name), "_CloudTrail-Digest_")
}
