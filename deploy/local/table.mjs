// printTable writes rows for people: columns side by side, without the spaces at the end of a line.
export function printTable(header, rows) {
  const lines = [header, ...rows].map(cells => cells.map(c => (c === null ? '-' : typeof c === 'object' ? JSON.stringify(c) : `${c}`)))
  const widths = header.map((_, i) => Math.max(...lines.map(l => l[i].length)))
  for (const l of lines) console.log(l.map((cell, i) => cell.padEnd(widths[i])).join('  ').trimEnd())
}
