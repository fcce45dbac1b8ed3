// Runs check.sql and compares its numbers with expected/*.json. DuckDB comes from
// deploy/local, which has to be installed first (npm ci there).
//
//   node bench/oracle/check.mjs --data DIR
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { options } from './packs.mjs';

const { data } = options(process.argv.slice(2), { data: true });
const { DuckDBInstance } = createRequire(new URL('../../deploy/local/package.json', import.meta.url))('@duckdb/node-api');
const file = (name) => readFileSync(new URL(name, import.meta.url), 'utf8');
const types = JSON.parse(file('expected/inventory-counts.json')).types;
const rules = Object.fromEntries(Object.values(JSON.parse(file('expected/sigma.json'))).map((r) => [r.file, r]));

const connection = await (await DuckDBInstance.create(':memory:')).connect();
const statements = file('check.sql').replace(/--.*$/gm, '').replaceAll(':data', data).split(';').map((s) => s.trim()).filter(Boolean);
let rows;
for (const statement of statements) rows = await (await connection.runAndReadAll(statement)).getRowObjects();

let wrong = 0;
for (const { what, x, y, z } of rows) {
  const known = types[what];
  const [found, expected] = known
    ? [`${x}/${y}/${z}`, `${known.created}/${known.deleted}/${known.both}`]
    : [`${x}/${y}`, `${rules[what].history}/${rules[what].stratus}`];
  if (found !== expected) wrong++;
  console.log(found === expected ? 'ok   ' : 'WRONG', what, found, found === expected ? '' : `expected ${expected}`);
}
console.log(`${rows.length} compared, ${wrong} wrong`);
process.exitCode = wrong === 0 && rows.length > 0 ? 0 : 1;
