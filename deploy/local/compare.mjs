// Holds one lake against another with DuckDB: every row of every table, and of a row every column but those that tell where and when
// it arrived.
//
//   node compare.mjs [--text] LAKE_FOLDER LAKE_FOLDER
//
// Output: a list of { what, rows, only, alone, examples } for the tables and the snapshots: how many rows the first lake and the second
// have, how many are in one of them only, and some of those. With --text the same for people, and exit status 1 when there are any.
// Of `resources` each snapshot is compared by itself. One that only one lake has of all shards is `alone` and no difference: a replay
// takes one at its end, and a shard takes the newest only when its watermark passes several hours at once. The rows of `progress` tell
// of files, of which there are as many as there were commits, so what is compared is their sums by table.
import { stat } from 'node:fs/promises'
import { DuckDBInstance } from '@duckdb/node-api'
import { printTable } from './table.mjs'

const arrival = new Set(['shard', 'sequence', 'ordinal', 'arrival_ts', 'late', 'watermark_ts'])
const sums = `SELECT table_name, sum(row_count) AS row_count, sum(duplicates) AS duplicates, sum(quarantined) AS quarantined,
  sum(control) AS control, sum(len(gaps)) AS gaps FROM rows WHERE table_name <> 'resources' GROUP BY 1`
const whole = `SELECT snapshot_id FROM rows WHERE table_name = 'resources' GROUP BY 1 HAVING sum(hash_share) > 0.999999`
const examples = 3

async function folders(args) {
  if (args.length !== 2) throw new Error('usage: node compare.mjs [--text] LAKE_FOLDER LAKE_FOLDER')
  for (const lake of args) {
    if (!(await stat(lake).catch(() => null))?.isDirectory()) throw new Error(`${lake} is no folder: give the folder of a lake`)
  }
  return args
}

const quote = s => `'${s.replaceAll("'", "''")}'`
const ask = async sql => (await connection.runAndReadAll(sql)).getRowsJson()

// load makes the table `name` with a line of JSON for each row that query finds in a table of a lake; no lines when it has no file.
async function load(name, lake, table, query = 'SELECT * FROM rows') {
  const files = quote(`${lake}/${table}/**/*.parquet`)
  if ((await ask(`SELECT count(*) FROM glob(${files})`))[0][0] === '0') {
    await connection.run(`CREATE OR REPLACE TABLE ${name} (line VARCHAR, part VARCHAR)`)
    return
  }
  const rows = `WITH rows AS (SELECT * FROM read_parquet(${files}, hive_partitioning = true, hive_types_autocast = false, union_by_name = true))`
  const columns = (await ask(`DESCRIBE ${rows} ${query}`)).map(c => c[0]).filter(c => !arrival.has(c)).sort()
  const part = columns.includes('snapshot') ? 'snapshot' : 'NULL'
  await connection.run(`CREATE OR REPLACE TABLE ${name} AS ${rows}
    SELECT CAST(to_json({${columns.map(c => `${c}: x.${c}`)}}) AS VARCHAR) AS line, ${part} AS part FROM (${query}) AS x`)
}

// difference compares the lines of the tables a and b, or those of one part.
async function difference(what, where = 'true') {
  const count = async t => Number((await ask(`SELECT count(*) FROM ${t} WHERE ${where}`))[0][0])
  const only = async (t, other) => (await ask(`SELECT line FROM ${t} WHERE ${where} EXCEPT ALL SELECT line FROM ${other} WHERE ${where} ORDER BY 1`)).map(r => r[0])
  const [onlyA, onlyB] = [await only('a', 'b'), await only('b', 'a')]
  return { what, rows: [await count('a'), await count('b')], only: [onlyA.length, onlyB.length], alone: false,
    examples: [onlyA.slice(0, examples), onlyB.slice(0, examples)] }
}

// snapshots are those that a lake has of all shards.
async function snapshots(lake) {
  await load('a', lake, 'progress', whole)
  return new Set((await ask("SELECT json_extract_string(line, '$.snapshot_id') FROM a")).map(r => r[0]))
}

async function compare([first, second]) {
  const out = []
  for (const table of ['events', 'findings', 'resource_changes']) {
    await load('a', first, table)
    await load('b', second, table)
    out.push(await difference(table))
  }
  const [a, b] = [await snapshots(first), await snapshots(second)]
  await load('a', first, 'resources')
  await load('b', second, 'resources')
  for (const at of [...new Set([...a, ...b])].sort()) {
    const found = await difference(`resources ${at}`, `part = ${quote(at)}`)
    out.push(a.has(at) && b.has(at) ? found : { ...found, only: [0, 0], alone: true, examples: [[], []] })
  }
  await load('a', first, 'progress', sums)
  await load('b', second, 'progress', sums)
  out.push(await difference('sums of progress'))
  return out
}

function print(found) {
  printTable(['TABLE', 'FIRST', 'SECOND', 'ONLY IN FIRST', 'ONLY IN SECOND'], found.map(f => [f.what, ...f.rows, ...(f.alone ? ['not compared', ''] : f.only)]))
  for (const f of found) {
    f.examples.forEach((list, i) => list.forEach(line => console.log(`\n${f.what}, only in the ${['first', 'second'][i]}:\n${line}`)))
  }
}

const args = process.argv.slice(2)
const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '1GB' })
const connection = await instance.connect()
try {
  const found = await compare(await folders(args.filter(a => a !== '--text')))
  if (args.includes('--text')) {
    print(found)
    process.exitCode = found.some(f => f.only[0] + f.only[1] > 0) ? 1 : 0
  } else process.stdout.write(JSON.stringify(found))
} catch (error) {
  console.error(error.message)
  process.exitCode = 2
}
