package gc

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/state/blob"
)

// noteFormat is the number of the note's form.
const noteFormat = 1

// Note is the object GC of a stream: when its garbage was last collected and by
// whom. Whoever writes it collects.
type Note struct {
	Format int       `json:"format"`
	By     string    `json:"by"`
	At     time.Time `json:"at"` // by the clock of that process
	// Gone are shards that the stream does not list any more, and since when
	// that is known.
	Gone map[string]time.Time `json:"gone,omitempty"`
	// Report is what the collection found; nil while it runs, or if it failed.
	Report *Report `json:"report,omitempty"`
	Error  string  `json:"error,omitempty"`
}

// NoteKey returns the key of a stream's note in the state store.
func NoteKey(app, stream string) string { return app + "/" + stream + "/GC" }

// ReadNote reads the note of a stream; ErrNotFound of package blob means that
// its garbage was never collected.
func ReadNote(ctx context.Context, store blob.Store, app, stream string) (*Note, error) {
	n, _, err := readNote(ctx, store, app, stream)
	return n, err
}

func readNote(ctx context.Context, store blob.Store, app, stream string) (*Note, string, error) {
	data, etag, err := store.Get(ctx, NoteKey(app, stream))
	if err != nil {
		return nil, "", fmt.Errorf("read when garbage was collected: %w", err)
	}
	n := new(Note)
	if err := json.Unmarshal(data, n); err != nil {
		return nil, "", fmt.Errorf("read %s: %w", NoteKey(app, stream), err)
	}
	if n.Format > noteFormat {
		return nil, "", fmt.Errorf("%s has format %d, this program reads up to %d: use a later version", NoteKey(app, stream), n.Format, noteFormat)
	}
	return n, etag, nil
}

// Turn collects if the last collection of the stream began an hour ago or
// longer, and if no other process takes this turn. Otherwise the report is nil.
// now is the process's clock; a clock that is ahead does not make objects older,
// for the store's is asked as well.
func (c *Collector) Turn(ctx context.Context, now time.Time) (*Report, error) {
	every := c.Every
	if every == 0 {
		every = DefaultEvery
	}
	last, etag, err := readNote(ctx, c.State, c.App, c.Stream)
	if errors.Is(err, blob.ErrNotFound) {
		last, err = &Note{}, nil
	}
	if err != nil {
		return nil, err
	}
	// A process that asks once in that time must not miss its turn by a hair.
	every -= every / 20
	// A time to come is that of a wrong clock. It must not stop collecting.
	if passed := now.Sub(last.At); passed < every && passed > -every {
		return nil, nil
	}
	note := &Note{Format: noteFormat, By: c.Writer, At: now.UTC(), Gone: last.Gone}
	etag, err = c.writeNote(ctx, note, etag)
	if errors.Is(err, blob.ErrChanged) || errors.Is(err, blob.ErrExists) {
		return nil, nil
	}
	if err != nil {
		return nil, err // if it landed, this turn is left out
	}
	if now, err = c.storeTime(ctx, now); err != nil {
		return nil, err
	}
	report, gone, err := c.collect(ctx, now, last.Gone)
	note.Report, note.Gone = report, gone
	if err != nil {
		note.Error = err.Error()
	}
	_, noteErr := c.writeNote(ctx, note, etag)
	if errors.Is(noteErr, blob.ErrChanged) {
		noteErr = nil // it took longer than an hour, and another has begun
	}
	return report, errors.Join(err, noteErr)
}

func (c *Collector) writeNote(ctx context.Context, n *Note, etag string) (string, error) {
	data, err := json.Marshal(n, json.Deterministic(true))
	if err != nil {
		return "", fmt.Errorf("note that garbage is collected: %w", err)
	}
	etag, err = c.State.PutIf(ctx, NoteKey(c.App, c.Stream), append(data, '\n'), etag)
	if err != nil {
		return "", fmt.Errorf("note that garbage is collected: %w", err)
	}
	return etag, nil
}

// storeTime is the earlier one of now and the store's time, which the note has
// that was just written.
func (c *Collector) storeTime(ctx context.Context, now time.Time) (time.Time, error) {
	key := NoteKey(c.App, c.Stream)
	for o, err := range c.State.List(ctx, key) {
		if err != nil {
			return now, fmt.Errorf("ask the store for its time: %w", err)
		}
		if o.Key == key && o.Modified.Before(now) {
			return o.Modified, nil
		}
	}
	return now, nil
}
