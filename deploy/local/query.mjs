// Runs SQL over a lake with DuckDB, after the views and macros of duckdb.sql have made it look like the Athena database.
//
//   node query.mjs [--text] [LAKE_FOLDER] < SQL
//
// Without a lake there are no views and macros either: plain DuckDB.
// Input: statements, separated by semicolons. Output: { columns, types, rows } of the last one; every value is text, a number, a
// boolean, null, a list or an object; with --text a table for people. duckdb.sql finds the lake in the variable `lake`: getvariable('lake').
//
// One construct differs between the engines: UNNEST of a list of structs yields one column per member in Trino and one struct in
// DuckDB. So `CROSS JOIN UNNEST(x) AS t(a, b)` is rewritten before it runs; statements of deploy/queries need no other change.
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { DuckDBInstance } from '@duckdb/node-api'
import { printTable } from './table.mjs'

const unnest = /CROSS\s+JOIN\s+UNNEST\s*\(((?:[^()]|\([^()]*\))*)\)\s*AS\s+(\w+)\s*\(([^()]*)\)/gi
const rewrite = sql => sql.replace(unnest, 'CROSS JOIN (SELECT unnest($1, recursive := true)) AS $2($3)')

// prepareLake makes the views and macros. A table that has no file yet gets no view, as DuckDB would not know its columns, and neither
// do the views over it; a query that names one fails, and the message says why.
async function prepareLake(sql) {
  const statements = await connection.extractStatements(sql)
  for (let i = 0; i < statements.count; i++) {
    try {
      await (await statements.prepare(i)).run()
    } catch (error) {
      const missing = error.message.match(/No files found that match the pattern "[^"]*?\/(\w+)\/\*\*/)
      if (missing) empty.push(missing[1])
      else if (!empty.some(t => error.message.includes(`Table with name ${t} does not exist`))) throw error
    }
  }
  for (const [, name] of sql.matchAll(/VIEW cairn\.(\w+)/g)) views.add(name)
}

// advice is what to do about a table without files, or a view over one.
function advice(message) {
  const asked = message.match(/Table with name (\w+) does not exist/)?.[1]
  if (!views.has(asked)) return message
  return `${lake} has no file of ${empty.includes(asked) ? asked : empty.join(', ')} yet: a worker writes files every few minutes (--roll-age) and when it stops`
}

const args = process.argv.slice(2)
const lake = args.find(a => a !== '--text')
const empty = [] // tables without a file
const views = new Set()
const instance = await DuckDBInstance.create(':memory:', { threads: '2', memory_limit: '1GB' })
const connection = await instance.connect()
if (lake) {
  await connection.run(`SET VARIABLE lake = '${lake.replaceAll("'", "''")}'`)
  await prepareLake(await readFile(new URL('./duckdb.sql', import.meta.url), 'utf8'))
}
try {
  const reader = await connection.runAndReadAll(rewrite(await text(process.stdin)))
  const [columns, types, rows] = [reader.columnNames(), reader.columnTypes().map(String), reader.getRowsJson()]
  if (args.includes('--text')) printTable(columns, rows)
  else process.stdout.write(JSON.stringify({ columns, types, rows }))
} catch (error) {
  console.error(advice(error.message))
  process.exitCode = 1
}
