-- Makes a lake look to DuckDB like the Athena database cairn. The lake's folder is in the variable lake:
--
--   duckdb -cmd "SET VARIABLE lake = './cairn-data/lake'" -init duckdb.sql
--
-- The queries of deploy/queries then run unchanged, but for UNNEST of a list of structs: where Trino has
--   CROSS JOIN UNNEST(x) AS t(a, b)
-- DuckDB wants
--   CROSS JOIN (SELECT unnest(x, recursive := true)) AS t(a, b)
-- A table that has no file yet gives an error here and is not made, nor are the views over it.
SET TimeZone = 'UTC';
CREATE SCHEMA IF NOT EXISTS cairn;

-- Partition columns are text in Athena, so none may become a date here.
CREATE OR REPLACE VIEW cairn.events AS
  SELECT * FROM read_parquet(getvariable('lake') || '/events/**/*.parquet', hive_partitioning = true, hive_types_autocast = false, union_by_name = true);
CREATE OR REPLACE VIEW cairn.findings AS
  SELECT * FROM read_parquet(getvariable('lake') || '/findings/**/*.parquet', hive_partitioning = true, hive_types_autocast = false, union_by_name = true);
CREATE OR REPLACE VIEW cairn.resource_changes AS
  SELECT * FROM read_parquet(getvariable('lake') || '/resource_changes/**/*.parquet', hive_partitioning = true, hive_types_autocast = false, union_by_name = true);
CREATE OR REPLACE VIEW cairn.resources AS
  SELECT * FROM read_parquet(getvariable('lake') || '/resources/**/*.parquet', hive_partitioning = true, hive_types_autocast = false, union_by_name = true);
CREATE OR REPLACE VIEW cairn.progress AS
  SELECT * FROM read_parquet(getvariable('lake') || '/progress/**/*.parquet', hive_partitioning = true, hive_types_autocast = false, union_by_name = true);

-- The views, as `cairn ddl` prints them.
CREATE OR REPLACE VIEW cairn.resources_current AS
WITH complete AS (
  SELECT snapshot_id FROM cairn.progress WHERE table_name = 'resources' GROUP BY snapshot_id HAVING sum(hash_share) > 0.999999
)
SELECT r.* FROM cairn.resources r WHERE r.snapshot = (SELECT max(snapshot_id) FROM complete);
CREATE OR REPLACE VIEW cairn.resource_history AS
SELECT c.*, c.event_ts AS valid_from,
  lead(c.event_ts) OVER (PARTITION BY c.resource_key ORDER BY c.version) AS valid_to
FROM cairn.resource_changes c;
CREATE OR REPLACE VIEW cairn.findings_open AS
SELECT * FROM (
  SELECT f.*, row_number() OVER (
    PARTITION BY f.finding_id
    ORDER BY f.event_ts DESC,
      CASE WHEN f.state = 'resolved' THEN 0 WHEN f.state_reason = 'end' THEN 1 WHEN f.state_reason = 'update' THEN 2 ELSE 3 END
  ) AS rn
  FROM cairn.findings f
) WHERE rn = 1 AND state <> 'resolved' AND suppressed_by IS NULL AND NOT staged;
CREATE OR REPLACE VIEW cairn.events_deduplicated AS
SELECT * FROM (
  SELECT e.*, row_number() OVER (
    PARTITION BY e.dt, e.eventid ORDER BY e.arrival_ts, e.shard, e.sequence, e.ordinal
  ) AS copy
  FROM cairn.events e
) WHERE copy = 1;

-- Trino's functions that DuckDB calls otherwise. Of a path that names an object or a list, Trino gives NULL.
CREATE OR REPLACE MACRO json_extract_scalar(j, path) AS
  CASE WHEN json_type(j, path) IN ('OBJECT', 'ARRAY') THEN NULL ELSE json_extract_string(j, path) END;
CREATE OR REPLACE MACRO cardinality(x) AS len(x);
CREATE OR REPLACE MACRO regexp_like(s, pattern) AS regexp_matches(s, pattern);
