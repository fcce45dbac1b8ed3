// The DuckDB half of verify.mjs. The shape of the columns comes from DuckDB's own reading of the schema.
import { DuckDBTypeId as T } from '@duckdb/node-api'

const quoteText = s => `'${s.replaceAll("'", "''")}'`
const quoteName = s => `"${s.replaceAll('"', '""')}"`

// sums holds, per kind of leaf, the aggregate that becomes `sum`.
const sums = {
  string: x => `sum(strlen(${x}))`,
  integer: x => `sum(${x})`,
  time: x => `sum(epoch_ms(${x}))`,
  boolean: x => `count(*) FILTER (${x})`,
  double: () => `NULL`,
}

function leafKind(type) {
  switch (type.typeId) {
    case T.VARCHAR: return 'string'
    case T.INTEGER: case T.BIGINT: return 'integer'
    case T.TIMESTAMP: case T.TIMESTAMP_TZ: case T.TIMESTAMP_MS: return 'time'
    case T.BOOLEAN: return 'boolean'
    case T.DOUBLE: return 'double'
  }
  throw new Error(`no way to count a column of type ${type}`)
}

// levels sorts all paths into one level per nesting of lists; a level is one relation with one row per slot.
function levels(types, names, file) {
  const all = []
  const level = from => { const l = { from, paths: [] }; all.push(l); return l }
  const visit = (l, path, x, type) => {
    if (type.typeId === T.STRUCT) {
      l.paths.push({ path, x, kind: 'struct' })
      type.entryNames.forEach((name, i) => visit(l, `${path}.${name}`, `${x}.${quoteName(name)}`, type.entryTypes[i]))
    } else if (type.typeId === T.LIST) {
      l.paths.push({ path, x, kind: 'list' })
      const items = level(`(SELECT unnest(${x}) AS item FROM ${l.from})`)
      visit(items, `${path}.element`, 'item', type.valueType)
    } else if (type.typeId === T.MAP) {
      l.paths.push({ path, x, kind: 'map' })
      const items = level(`(SELECT unnest(map_entries(${x})) AS item FROM ${l.from})`)
      visit(items, `${path}.key`, 'item."key"', type.keyType)
      visit(items, `${path}.value`, 'item."value"', type.valueType)
    } else {
      l.paths.push({ path, x, kind: leafKind(type) })
    }
  }
  const root = level(`read_parquet(${quoteText(file)}, hive_partitioning = false) AS r`)
  types.forEach((type, i) => visit(root, names[i], `r.${quoteName(names[i])}`, type))
  return all
}

function aggregates({ x, kind }, i) {
  const common = [`count(*) AS values${i}`, `count(*) FILTER (${x} IS NULL) AS nulls${i}`]
  if (kind === 'struct') return common
  if (kind === 'list') return [...common, `histogram(len(${x})) AS lengths${i}`]
  if (kind === 'map') return [...common, `histogram(cardinality(${x})) AS lengths${i}`]
  const empty = kind === 'string' ? `count(*) FILTER (${x} = '')` : '0'
  return [...common, `${empty} AS empty${i}`, `count(DISTINCT ${x}) AS distinct${i}`, `CAST(${sums[kind](x)} AS VARCHAR) AS sum${i}`]
}

function countOf(row, kind, i) {
  const lengths = Object.fromEntries((row[`lengths${i}`] ?? []).map(({ key, value }) => [key, Number(value)]))
  const number = name => Number(row[`${name}${i}`] ?? 0)
  return {
    kind, values: number('values'), nulls: number('nulls'), empty: number('empty'), distinct: number('distinct'),
    sum: row[`sum${i}`] ?? (kind in sums && kind !== 'double' ? '0' : ''), lengths,
  }
}

export async function countWithDuckDB(connection, file) {
  const probe = await connection.run(`SELECT * FROM read_parquet(${quoteText(file)}, hive_partitioning = false) LIMIT 0`)
  const paths = {}
  for (const level of levels(probe.columnTypes(), probe.columnNames(), file)) {
    const reader = await connection.runAndReadAll(`SELECT ${level.paths.flatMap(aggregates).join(', ')} FROM ${level.from}`)
    const [row] = reader.getRowObjectsJson()
    level.paths.forEach(({ path, kind }, i) => { paths[path] = countOf(row, kind, i) })
  }
  const total = await connection.runAndReadAll(`SELECT count(*) AS n FROM read_parquet(${quoteText(file)})`)
  return { rows: Number(total.getRowObjectsJson()[0].n), paths }
}
