package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cairnstream/cairn/state/blob"
)

// place are the flags that say where things are.
type place struct {
	Data  string `help:"Folder for all that Cairn keeps: lake, state, local cache (default: ${default})." default:"./cairn-data" placeholder:"DIR" env:"CAIRN_DATA_DIR"`
	Lake  string `help:"The lake elsewhere: a folder or s3://bucket/prefix (default: DIR/lake)." placeholder:"URL" env:"CAIRN_LAKE"`
	App   string `help:"Name of this consumer of a stream; its state lies below it." default:"cairn" env:"CAIRN_APP"`
	State string `help:"Manifests and segments elsewhere: a folder or s3://bucket/prefix (default: DIR/state)." placeholder:"URL" env:"CAIRN_STATE"`
}

func (p place) lakeURL() string  { return cmp.Or(p.Lake, filepath.Join(p.Data, "lake")) }
func (p place) stateURL() string { return cmp.Or(p.State, filepath.Join(p.Data, "state")) }
func (p place) app() string      { return cmp.Or(p.App, "cairn") }
func (p place) local() string    { return filepath.Join(p.Data, "local") }

// in is the place in a folder of this one's data folder.
func (p place) in(folder string) place {
	p.Data = filepath.Join(p.Data, folder)
	return p
}

// openLake opens the lake, and openState the state, for a command that makes
// them if they are not there.
func (p place) openLake(ctx context.Context) (blob.Store, error)  { return open(ctx, p.lakeURL()) }
func (p place) openState(ctx context.Context) (blob.Store, error) { return open(ctx, p.stateURL()) }

func open(ctx context.Context, url string) (blob.Store, error) {
	if file := fileAbove(url); file != "" {
		return nil, fmt.Errorf("%s is a file: name a folder with --data, --lake or --state; files to read stand behind the command, as in \"cairn replay FILE\"", file)
	}
	s, err := blob.Open(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", url, err)
	}
	return s, nil
}

// fileAbove is the part of a path that is a file although a folder is meant, ""
// if there is none.
func fileAbove(path string) string {
	if strings.HasPrefix(path, "s3://") {
		return ""
	}
	for {
		if info, err := os.Stat(path); err == nil {
			if info.IsDir() {
				return ""
			}
			return path
		}
		above := filepath.Dir(path)
		if above == path {
			return ""
		}
		path = above
	}
}

// reader is the place of a command that only reads. Without data of one's own
// it is that of the bundled sample, so that what "cairn replay" printed as
// next commands works as it stands.
func (p place) reader(ctx context.Context) (place, blob.Store, error) {
	for _, at := range []place{p, p.in("sample")} {
		if !strings.HasPrefix(at.stateURL(), "s3://") && !exists(at.stateURL()) {
			continue
		}
		s, err := at.openState(ctx)
		return at, s, err
	}
	if file := fileAbove(p.stateURL()); file != "" {
		return p, nil, fmt.Errorf("%s is a file: name the folder that \"cairn replay\" or \"cairn run\" filled with --data", file)
	}
	return p, nil, errors.New("nothing in " + p.stateURL() + " yet: run \"cairn replay\" first, or name the folder with --data")
}
