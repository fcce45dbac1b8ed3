package export

// ProgressRow says how complete the lake is: one row of the table progress
// per shard and roll of a table, also when the roll had no rows.
type ProgressRow struct {
	TableName       string   `parquet:"table_name,dict"`
	SnapshotID      *string  `parquet:"snapshot_id,dict"`
	Shard           string   `parquet:"shard,dict"`
	HashShare       float64  `parquet:"hash_share"` // 0 to 1
	Checkpoint      int64    `parquet:"checkpoint"`
	Epoch           int64    `parquet:"epoch"`
	FirstSequence   *string  `parquet:"first_sequence"`
	LastSequence    *string  `parquet:"last_sequence"`
	WatermarkFromTS *int64   `parquet:"watermark_from_ts,timestamp"` // exclusive
	WatermarkTS     int64    `parquet:"watermark_ts,timestamp"`      // inclusive
	FirstEventTS    *int64   `parquet:"first_event_ts,timestamp"`
	LastEventTS     *int64   `parquet:"last_event_ts,timestamp"`
	FirstArrivalTS  *int64   `parquet:"first_arrival_ts,timestamp"`
	LastArrivalTS   *int64   `parquet:"last_arrival_ts,timestamp"`
	RowCount        int64    `parquet:"row_count"`
	ByteCount       int64    `parquet:"byte_count"`
	Late            int64    `parquet:"late"`
	Duplicates      int64    `parquet:"duplicates"`
	Quarantined     int64    `parquet:"quarantined"`
	Control         int64    `parquet:"control"`
	Gaps            []Gap    `parquet:"gaps,list"`
	Files           []string `parquet:"files,list" parquet-element:",dict"`
	Closed          bool     `parquet:"closed"`
}

// Gap is input that was lost.
type Gap struct {
	FromSequence string `parquet:"from_sequence"`
	ToSequence   string `parquet:"to_sequence"`
	Reason       string `parquet:"reason"`
}
