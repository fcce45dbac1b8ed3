// Counts every column of every Parquet file below a folder with two readers that share nothing with Cairn's writer,
// DuckDB and hyparquet, and prints both counts as JSON for a test to compare with each other and with the Go rows.
//
//   node verify.mjs LAKE_FOLDER
//
// Output: [{ file, duckdb: counts, hyparquet: counts }], where counts = { rows, paths: { path: count } } and
// count = { kind, values, nulls, empty, distinct, sum, lengths }. A path is the dotted name inside the row; the
// items of a list are `.element`, those of a map `.key` and `.value`. `values` counts the slots that the path has (one a row
// outside lists, one an item inside), nulls included: a member of a NULL struct is NULL. `empty` counts empty strings.
// `sum` guards against values that moved: bytes of strings, the numbers themselves, milliseconds of times, number
// of trues; doubles have none. `lengths` maps the length of a list or map to how often it occurs.
import { readdir } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { countWithDuckDB } from './count-duckdb.mjs'
import { countWithHyparquet } from './count-hyparquet.mjs'

async function parquetFiles(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true })
  return entries.filter(e => e.isFile() && e.name.endsWith('.parquet')).map(e => join(e.parentPath ?? e.path, e.name)).sort()
}

const lake = process.argv[2]
if (!lake) throw new Error('usage: node verify.mjs LAKE_FOLDER')
// Small limits: the tests of several packages run at the same time.
const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '1GB' })
const connection = await instance.connect()
const report = []
for (const file of await parquetFiles(lake)) {
  report.push({
    file: relative(lake, file),
    duckdb: await countWithDuckDB(connection, file),
    hyparquet: await countWithHyparquet(file),
  })
}
process.stdout.write(JSON.stringify(report))
