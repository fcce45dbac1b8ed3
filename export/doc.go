// Package export holds the tables of the lake: their row types, the open rows
// of a shard, and the way from those rows to sorted, compressed Parquet files.
//
// The Go struct of a table is the only place where its columns are written
// down. The Parquet schema, the row log and the DDL of package athena are all
// derived from it, so they cannot disagree. SCHEMA.md tells what a reader may
// rely on.
//
// Rows take this way:
//
//	row struct → rowlog bytes → compressed blocks (Buffer) → Batch.Roll → Parquet
//
// A Buffer holds what is not in a file yet. Roll reads the encoded rows
// straight into column buffers; the structs are never built again.
package export
