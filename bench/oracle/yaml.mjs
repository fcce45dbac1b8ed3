// A reader for the part of YAML in which SigmaHQ's rules are written: block maps
// and lists, plain and quoted scalars, plain scalars over several lines, literal
// and folded blocks, comments, null. Anchors, tags, flow collections other than
// [] and {}, and documents after the first are refused, so that a rule is never
// read wrongly in silence.

// parse returns the document as maps, arrays and scalars. A plain scalar that is
// a number, a boolean or null in YAML's core schema becomes that; a number keeps
// its spelling in a Num.
export function parse(text) {
  const lines = significantLines(text);
  const reader = { lines, at: 0 };
  const value = readNode(reader, 0);
  if (reader.at < lines.length) throw new Error(`line ${lines[reader.at].no}: unexpected text`);
  return value;
}

// Num is an unquoted number with the text that the author wrote.
export class Num {
  constructor(text) { this.text = text; }
}

function significantLines(text) {
  const out = [];
  text.split(/\r?\n/).forEach((raw, i) => {
    if (i === 0 && raw === '---') return;
    if (/^(---|\.\.\.)\s*$/.test(raw)) throw new Error(`line ${i + 1}: a second document`);
    const blank = raw.trim() === '' || raw.trimStart().startsWith('#');
    out.push({ no: i + 1, raw, blank, indent: raw.length - raw.trimStart().length, text: raw.trim() });
  });
  return out;
}

function peek(r) {
  while (r.at < r.lines.length && r.lines[r.at].blank) r.at++;
  return r.lines[r.at];
}

function readNode(r, least) {
  const line = peek(r);
  if (!line || line.indent < least) return null;
  return isItem(line.text) ? readList(r, line.indent) : readMap(r, line.indent);
}

const isItem = (text) => text === '-' || text.startsWith('- ');

function readList(r, indent) {
  const out = [];
  for (let line = peek(r); line && line.indent === indent && isItem(line.text); line = peek(r)) {
    const rest = line.text.slice(1).trimStart();
    const inner = indent + line.text.length - rest.length;
    if (rest === '') {
      r.at++;
      out.push(readNode(r, indent + 1));
    } else if (splitKey(rest)) {
      r.lines[r.at] = { ...line, indent: inner, text: rest };
      out.push(readMap(r, inner));
    } else {
      r.at++;
      out.push(readScalar(r, rest, indent, line.no));
    }
  }
  return out;
}

function readMap(r, indent) {
  const out = new Map();
  for (let line = peek(r); line && line.indent === indent && !isItem(line.text); line = peek(r)) {
    const pair = splitKey(line.text);
    if (!pair) throw new Error(`line ${line.no}: expected "key: value"`);
    const [key, rest] = pair;
    if (out.has(key)) throw new Error(`line ${line.no}: duplicate key ${key}`);
    r.at++;
    out.set(key, rest === '' || rest.startsWith('#') ? readBelow(r, indent) : readScalar(r, rest, indent, line.no));
  }
  return out;
}

// readBelow reads the value of a key with nothing after its colon; a list may
// stand at the key's own indentation.
function readBelow(r, indent) {
  const line = peek(r);
  if (line && line.indent === indent && isItem(line.text)) return readList(r, indent);
  return readNode(r, indent + 1);
}

// splitKey cuts "key: rest" at the first colon that ends a key.
function splitKey(text) {
  const quoted = /^(?:'((?:[^']|'')*)'|"([^"\\]*)")\s*:(?:\s+(.*))?$/.exec(text);
  if (quoted) return [quoted[1]?.replaceAll("''", "'") ?? quoted[2], quoted[3] ?? ''];
  if (/^['"]/.test(text)) return null;
  const plain = /^([^\s#].*?):(?:\s+(.*))?$/.exec(text);
  return plain && [plain[1], plain[2] ?? ''];
}

function readScalar(r, rest, indent, no) {
  if (/^[&*!%@`]/.test(rest)) throw new Error(`line ${no}: unsupported scalar ${rest}`);
  const block = /^([|>])([+-]?)\s*(#.*)?$/.exec(rest);
  if (block) return readBlock(r, block[1], indent);
  if (rest[0] === "'" || rest[0] === '"') return readQuoted(r, rest, no);
  const end = rest.search(/\s#/);
  if (end >= 0) return plainValue(rest.slice(0, end).trimEnd());
  const parts = [rest];
  for (let line = r.lines[r.at]; line && !line.blank && line.indent > indent; line = r.lines[r.at]) {
    parts.push(line.text);
    r.at++;
  }
  return plainValue(parts.join(' '));
}

function readBlock(r, style, indent) {
  const body = [];
  while (r.at < r.lines.length) {
    const line = r.lines[r.at];
    if (line.raw.trim() !== '' && line.indent <= indent) break;
    body.push(line.raw.trim());
    r.at++;
  }
  return body.join(style === '|' ? '\n' : ' ').trimEnd() + '\n';
}

function readQuoted(r, rest, no) {
  const mark = rest[0];
  let text = rest;
  const closed = mark === "'" ? /^'((?:[^']|'')*)'\s*(#.*)?$/ : /^"((?:[^"\\]|\\.)*)"\s*(#.*)?$/;
  let m;
  while (!(m = closed.exec(text))) {
    if (r.at >= r.lines.length) throw new Error(`line ${no}: quote is not closed`);
    text += ' ' + r.lines[r.at++].text;
  }
  return mark === "'" ? m[1].replaceAll("''", "'") : JSON.parse(`"${m[1]}"`);
}

function plainValue(text) {
  if (text === '' || text === '~' || /^null$/i.test(text)) return null;
  if (/^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  if (/^[-+]?(\d+(\.\d*)?|\.\d+)(e[-+]?\d+)?$/i.test(text)) return new Num(text);
  if (text === '[]') return [];
  if (text === '{}') return new Map();
  if (/^[[{]/.test(text)) throw new Error(`flow collections are not read: ${text}`);
  return text;
}
