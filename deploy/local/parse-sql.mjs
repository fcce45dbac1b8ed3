// Checks SQL against the grammars of the engines that will run it: table definitions as Hive, queries and views as Trino.
// A grammar knows neither the names nor the types of columns.
//
//   node parse-sql.mjs < [{ "dialect": "hive" | "trino", "sql": "…" }]
//
// Output: for each statement the list of its errors, { line, column, message }; an empty list means that it was accepted.
import { register } from 'node:module'
import { json } from 'node:stream/consumers'

register('./resolve-bundled.mjs', import.meta.url)
const { HiveSQL, TrinoSQL } = await import('dt-sql-parser')
const dialects = { hive: new HiveSQL(), trino: new TrinoSQL() }

function errorsOf({ dialect, sql }) {
  const parser = dialects[dialect]
  if (!parser) throw new Error(`unknown dialect ${dialect}`)
  return parser.validate(sql).map(e => ({ line: e.startLine, column: e.startColumn, message: e.message }))
}

process.stdout.write(JSON.stringify((await json(process.stdin)).map(errorsOf)))
