package main

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/cairnstream/cairn/processor/replay"
)

// bar shows how far a replay got, with rate and time left. It is silent
// unless a person looks at it.
type bar struct {
	bar *progressbar.ProgressBar
}

func (c *replayCmd) bar(e *env, in *replay.Inputs) bar {
	if c.NoProgress || c.json() || !terminal(e.err) {
		return bar{}
	}
	return newBar(e.err, in.Bytes)
}

func newBar(w io.Writer, bytes int64) bar {
	return bar{progressbar.NewOptions64(bytes,
		progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("replay"),
		progressbar.OptionShowBytes(true), progressbar.OptionSetPredictTime(true), progressbar.OptionFullWidth(),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish())}
}

func (b bar) update(p replay.Progress) {
	if b.bar != nil {
		_ = b.bar.Set64(p.Bytes) // a bar that cannot be drawn is no reason to stop
	}
}

func (b bar) finish() {
	if b.bar != nil {
		_ = b.bar.Finish()
	}
}
