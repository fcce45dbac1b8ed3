package processor

import (
	"context"
	"errors"
	"fmt"

	"github.com/go-json-experiment/json"

	"github.com/cairnstream/cairn/state/blob"
)

// lakeOwner is the object _cairn.json of a lake: a lake belongs to one stream.
type lakeOwner struct {
	App    string `json:"app"`
	Stream string `json:"stream"`
}

// claimLake writes down whose lake this is, and refuses another's.
func claimLake(ctx context.Context, cfg Config) error {
	const name = "_cairn.json"
	mine := lakeOwner{App: cfg.App, Stream: cfg.Stream}
	text, err := json.Marshal(mine)
	if err != nil {
		return fmt.Errorf("name the owner of the lake: %w", err)
	}
	_, err = cfg.Lake.PutIf(ctx, name, append(text, '\n'), "")
	if err == nil {
		return nil
	}
	if !errors.Is(err, blob.ErrExists) {
		return fmt.Errorf("write to the lake: %w", err)
	}
	data, _, err := cfg.Lake.Get(ctx, name)
	if err != nil {
		return fmt.Errorf("read the lake: %w", err)
	}
	var owner lakeOwner
	if err := json.Unmarshal(data, &owner); err != nil {
		return fmt.Errorf("the lake in %s has an owner that cannot be read: %w", cfg.Lake.URL(), err)
	}
	if owner != mine {
		return fmt.Errorf("the lake in %s belongs to stream %s of app %s: use another --lake", cfg.Lake.URL(), owner.Stream, owner.App)
	}
	return nil
}
