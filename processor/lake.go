package processor

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/state/blob"
)

// lakeOwner is the object _cairn.json of a lake: a lake belongs to one stream,
// and to one state of it. Two states would give their files the same names.
type lakeOwner struct {
	App    string `json:"app"`
	Stream string `json:"stream"`
	State  string `json:"state"` // its id, 16 hex digits
}

// claimLake writes down whose lake this is, and refuses another's. fresh tells
// that nobody had claimed it before.
func claimLake(ctx context.Context, cfg Config) (fresh bool, err error) {
	id, err := stateID(ctx, cfg)
	if err != nil {
		return false, err
	}
	const name = "_cairn.json"
	mine := lakeOwner{App: cfg.App, Stream: cfg.Stream, State: id}
	text, err := json.Marshal(mine)
	if err != nil {
		return false, fmt.Errorf("name the owner of the lake: %w", err)
	}
	data, fresh, err := writeOnce(ctx, cfg.Lake, name, append(text, '\n'))
	if err != nil || fresh {
		return fresh, err
	}
	var owner lakeOwner
	if err := json.Unmarshal(data, &owner); err != nil {
		return false, fmt.Errorf("the lake in %s has an owner that cannot be read: %w", cfg.Lake.URL(), err)
	}
	if owner.App != mine.App || owner.Stream != mine.Stream {
		return false, fmt.Errorf("the lake in %s belongs to stream %s of app %s: use another --lake", cfg.Lake.URL(), owner.Stream, owner.App)
	}
	if owner.State != mine.State {
		return false, fmt.Errorf("the lake in %s was written from another state than that in %s: use another --lake, or delete the lake if its state is lost", cfg.Lake.URL(), cfg.State.URL())
	}
	return false, nil
}

// stateID is the identity of the state of a stream, made when it is first
// used.
func stateID(ctx context.Context, cfg Config) (string, error) {
	id, _, err := writeOnce(ctx, cfg.State, cfg.App+"/"+cfg.Stream+"/ID", []byte(cfg.Writer))
	return string(id), err
}

// writeOnce writes an object that is never changed, unless it is there, and
// returns what is there then. A write of which nothing was heard is settled by
// reading; who wrote it does not matter then, so it does not count as fresh.
func writeOnce(ctx context.Context, store blob.Store, name string, data []byte) (found []byte, fresh bool, err error) {
	_, failed := store.PutIf(ctx, name, data, "")
	if failed == nil {
		return data, true, nil
	}
	found, _, err = store.Get(ctx, name)
	if err != nil && !errors.Is(failed, blob.ErrExists) {
		err = failed
	}
	if err != nil {
		return nil, false, fmt.Errorf("write %s to %s: %w", name, store.URL(), err)
	}
	return found, false, nil
}

// unclaim takes a claim back that should not have been made.
func unclaim(ctx context.Context, cfg Config) error {
	return cfg.Lake.Delete(ctx, "_cairn.json")
}
