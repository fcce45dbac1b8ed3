package export

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/parquet-go/parquet-go"

	"github.com/cairnstream/cairn/state/blob"
)

// Sizes is what a table weighs, in bytes.
type Sizes struct {
	Files   int64            // its files
	Columns map[string]int64 // the column chunks by dotted path: what a query that names the column reads
}

// ColumnBytes sums the files of a table and the chunks of each column, as the
// footers give them.
func ColumnBytes(ctx context.Context, store blob.Store, t Table) (Sizes, error) {
	sizes := Sizes{Columns: map[string]int64{}}
	for key, err := range dataFiles(ctx, store, t, Selection{}) {
		if err != nil {
			return sizes, err
		}
		if err := sizes.add(ctx, store, key); err != nil {
			return sizes, fmt.Errorf("export: sizes of %s: %w", key, err)
		}
	}
	return sizes, nil
}

func (s *Sizes) add(ctx context.Context, store blob.Store, key string) error {
	data, _, err := store.Get(ctx, key)
	if err != nil {
		return err
	}
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return err
	}
	s.Files += int64(len(data))
	for _, g := range f.Metadata().RowGroups {
		for _, c := range g.Columns {
			s.Columns[strings.Join(c.MetaData.PathInSchema, ".")] += c.MetaData.TotalCompressedSize
		}
	}
	return nil
}
