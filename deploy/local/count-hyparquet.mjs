// The hyparquet half of verify.mjs. The shape of the columns comes from hyparquet's own reading of the schema.
import { asyncBufferFromFile, parquetMetadataAsync, parquetRead, parquetSchema } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'

const isList = node => node.element.logical_type?.type === 'LIST' || node.element.converted_type === 'LIST'
const isMap = node => node.element.logical_type?.type === 'MAP' || node.element.converted_type === 'MAP'

function leafKind({ element }) {
  switch (element.type) {
    case 'BYTE_ARRAY': return 'string'
    case 'INT32': return 'integer'
    case 'INT64': return element.logical_type?.type === 'TIMESTAMP' ? 'time' : 'integer'
    case 'BOOLEAN': return 'boolean'
    case 'DOUBLE': return 'double'
  }
  throw new Error(`no way to count a column of type ${element.type}`)
}

const utf8 = new TextEncoder()
// measures holds, per kind of leaf, what one value adds to `sum` and what tells it from others.
const measures = {
  string: v => [utf8.encode(v).length, v],
  integer: v => [v, BigInt(v)],
  time: v => [v.getTime(), v.getTime()],
  boolean: v => [v ? 1 : 0, v],
  double: v => [0, v],
}

// counter makes the visitor of one path: a function of a value that counts it and all below it.
function counter(node, path, paths) {
  const counts = { kind: '', values: 0, nulls: 0, empty: 0, distinct: 0, sum: '', lengths: {} }
  paths[path] = counts
  const seen = v => { counts.values++; if (v === null || v === undefined) counts.nulls++; return v ?? undefined }
  if (isList(node)) {
    counts.kind = 'list'
    const item = counter(node.children[0].children[0], `${path}.element`, paths)
    return v => { if (seen(v) !== undefined) { measureLength(counts, v.length); v.forEach(item) } }
  }
  if (isMap(node)) {
    counts.kind = 'map'
    const [key, value] = node.children[0].children.map(c => counter(c, `${path}.${c.element.name}`, paths))
    return v => {
      if (seen(v) === undefined) return
      const entries = Object.entries(v)
      measureLength(counts, entries.length)
      for (const [k, item] of entries) { key(k); value(item) }
    }
  }
  if (node.children.length) {
    counts.kind = 'struct'
    const members = node.children.map(c => [c.element.name, counter(c, `${path}.${c.element.name}`, paths)])
    return v => { seen(v); for (const [name, member] of members) member(v?.[name]) }
  }
  return leafCounter(node, counts, seen)
}

function measureLength(counts, n) { counts.lengths[n] = (counts.lengths[n] ?? 0) + 1 }

function leafCounter(node, counts, seen) {
  const distinct = new Set()
  let sum = 0n
  counts.kind = leafKind(node)
  const measure = measures[counts.kind]
  counts.finish = () => {
    counts.distinct = distinct.size
    counts.sum = counts.kind === 'double' ? '' : String(sum)
    delete counts.finish
  }
  return v => {
    if (seen(v) === undefined) return
    const [amount, identity] = measure(v)
    sum += BigInt(amount)
    distinct.add(identity)
    if (v === '') counts.empty++
  }
}

// A column at a time: the whole file as objects would not fit for large lakes.
export async function countWithHyparquet(path) {
  const file = await asyncBufferFromFile(path)
  const metadata = await parquetMetadataAsync(file)
  const paths = {}
  for (const column of parquetSchema(metadata).children) {
    const count = counter(column, column.element.name, paths)
    let failure
    await parquetRead({
      file, metadata, compressors, columns: [column.element.name],
      onChunk({ columnData }) {
        // The library drops what this callback throws, so it is kept for later.
        try { for (const v of columnData) count(v) } catch (e) { failure ??= e }
      },
    })
    if (failure) throw failure
  }
  for (const counts of Object.values(paths)) counts.finish?.()
  return { rows: Number(metadata.num_rows), paths }
}
