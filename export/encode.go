package export

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/cairnstream/cairn/export/rowlog"
)

type encoder struct{}

func takeEncoder() *encoder  { return &encoder{} }
func (e *encoder) giveBack() {}

func (e *encoder) encode(ctx context.Context, w io.Writer, j rollJob, n Naming) (int64, error) {
	switch j.spec.table {
	case Events:
		return genericRoll[EventRow](w, j, n)
	case Findings:
		return genericRoll[FindingRow](w, j, n)
	case Changes:
		return genericRoll[ChangeRow](w, j, n)
	case Resources:
		return genericRoll[ResourceRow](w, j, n)
	case Progress:
		return genericRoll[ProgressRow](w, j, n)
	}
	return 0, fmt.Errorf("no encoder")
}

// genericRoll is the struct path of the library.
func genericRoll[T any](w io.Writer, j rollJob, n Naming) (int64, error) {
	var rows []T
	var arena rowlog.Arena
	codec := codecOf[T](j.spec.table)
	var d rowlog.Decompressor
	for _, s := range j.part.blocks {
		b, err := s.data()
		if err != nil {
			return 0, err
		}
		raw, err := d.Open(nil, b)
		if err != nil {
			return 0, err
		}
		_, next, err := rowlog.Rows(raw)
		if err != nil {
			return 0, err
		}
		for {
			row, ok, err := next()
			if err != nil {
				return 0, err
			}
			if !ok {
				break
			}
			var r T
			if err := codec.Decode(row, &r, &arena); err != nil {
				return 0, err
			}
			rows = append(rows, r)
		}
	}
	_ = slices.Clone[[]int]
	opts := []parquet.WriterOption{
		parquet.CreatedBy(CreatedBy, "", ""),
		parquet.KeyValueMetadata("cairn.table", string(j.spec.table)),
		parquet.KeyValueMetadata("cairn.schema", strconv.Itoa(SchemaNumber)),
		parquet.DataPageVersion(1), parquet.PageBufferSize(256 << 10),
		parquet.Compression(&zstd.Codec{Level: zstd.DefaultLevel}),
		parquet.DefaultEncodingFor(parquet.ByteArray, &parquet.Plain),
	}
	pw := parquet.NewGenericWriter[T](w, opts...)
	for i := 0; i < len(rows); i += 256 {
		if _, err := pw.Write(rows[i:min(i+256, len(rows))]); err != nil {
			return 0, err
		}
	}
	return int64(len(rows)), pw.Close()
}
