-- Makes a lake look to DuckDB like the Athena database cairn. The lake's folder is in the variable lake:
--
--   duckdb -cmd "SET VARIABLE lake = './cairn-data/lake'" -init duckdb.sql
--
-- The queries of deploy/queries then run unchanged, but for UNNEST of a list of structs: where Trino has
--   CROSS JOIN UNNEST(x) AS t(a, b)
-- DuckDB wants
--   CROSS JOIN (SELECT unnest(x, recursive := true)) AS t(a, b)
-- A table that has no file yet gives an error here and is not made.
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

-- Trino's functions that DuckDB calls otherwise. Of a path that names an object or a list, Trino gives NULL.
CREATE OR REPLACE MACRO json_extract_scalar(j, path) AS
  CASE WHEN json_type(j, path) IN ('OBJECT', 'ARRAY') THEN NULL ELSE json_extract_string(j, path) END;
CREATE OR REPLACE MACRO cardinality(x) AS len(x);
CREATE OR REPLACE MACRO regexp_like(s, pattern) AS regexp_matches(s, pattern);
