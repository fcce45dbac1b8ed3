package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/klauspost/compress/gzip"
)

// redrivePrefix begins the names of files of events from the quarantine. They go
// on as those of CloudTrail files do, with the minute of delivery.
const redrivePrefix = "cairn-redrive_"

// oneLine is a record without line ends. Most have none.
func oneLine(raw []byte) ([]byte, error) {
	if !bytes.ContainsAny(raw, "\n\r") {
		return raw, nil
	}
	v := jsontext.Value(bytes.Clone(raw))
	if err := v.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return nil, err
	}
	return v, nil
}

// write makes the file of the events in dir under a name that no replay takes,
// and returns beside it the name that it is to get. Equal events after equal
// arrivals give equal files.
func (d *redrive) write(dir string) (temporary, final string, err error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", "", fmt.Errorf("make the folder for the events: %w", err)
	}
	f, err := os.CreateTemp(dir, ".redrive-*")
	if err != nil {
		return "", "", fmt.Errorf("write the events: %w", err)
	}
	sum := sha256.New()
	if err := errors.Join(writeLines(io.MultiWriter(f, sum), d.events), f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return "", "", fmt.Errorf("write the events: %w", errors.Join(err, os.Remove(f.Name())))
	}
	name := fmt.Sprintf("%s%s_%s.json.gz", redrivePrefix, d.minute().Format("20060102T1504Z"), hex.EncodeToString(sum.Sum(nil)[:8]))
	return f.Name(), filepath.Join(dir, name), nil
}

// minute is the time of delivery for the file's name: the first minute behind all
// that arrived, so that a replay takes the file last, and time moves no further
// than it must.
func (d *redrive) minute() time.Time { return d.last.UTC().Truncate(time.Minute).Add(time.Minute) }

func writeLines(w io.Writer, lines [][]byte) error {
	z := gzip.NewWriter(w)
	for _, line := range lines {
		if _, err := z.Write(append(line[:len(line):len(line)], '\n')); err != nil {
			return err
		}
	}
	return z.Close()
}
