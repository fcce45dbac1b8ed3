// Sigma detections, evaluated over one parsed record. Values meet fields as text
// without regard to case, except where a modifier says otherwise.
import { parse, Num } from './yaml.mjs';

// readRule returns {id, title, file, searches, condition, placeholders}; searches
// maps an identifier to its YAML value.
export function readRule(text, file) {
  const doc = parse(text);
  const detection = doc.get('detection');
  const searches = new Map([...detection].filter(([name]) => name !== 'condition'));
  const condition = parseCondition(detection.get('condition'), [...searches.keys()]);
  return { id: doc.get('id'), title: doc.get('title'), file, searches, condition, placeholders: placeholdersIn(searches) };
}

function placeholdersIn(value) {
  if (value instanceof Map) {
    return [...value].flatMap(([k, v]) => (typeof k === 'string' && k.split('|').includes('expand') ? [v].flat() : placeholdersIn(v)));
  }
  return Array.isArray(value) ? value.flatMap(placeholdersIn) : [];
}

// matches says whether the rule's condition holds for the event.
export function matches(rule, event) {
  return holds(rule.condition, (name) => search(rule.searches.get(name), event));
}

// ---- conditions ----

// parseCondition returns a tree of {op: 'name'|'not'|'and'|'or', ...}.
export function parseCondition(source, names) {
  if (Array.isArray(source)) return { op: 'or', of: source.map((s) => parseCondition(s, names)) };
  const tokens = source.match(/[()]|[^\s()]+/g);
  let at = 0;
  const is = (word) => tokens[at]?.toLowerCase() === word;
  const or = () => series('or', and);
  const and = () => series('and', not);
  function series(op, next) {
    const of = [next()];
    while (is(op)) { at++; of.push(next()); }
    return of.length === 1 ? of[0] : { op, of };
  }
  function not() {
    if (!is('not')) return item();
    at++;
    return { op: 'not', of: [not()] };
  }
  function item() {
    const word = tokens[at++];
    if (word === '(') {
      const inner = or();
      if (tokens[at++] !== ')') throw new Error('expected )');
      return inner;
    }
    if (tokens[at]?.toLowerCase() === 'of') return quantified(word.toLowerCase());
    if (!names.includes(word)) throw new Error(`no identifier ${word}`);
    return { op: 'name', name: word };
  }
  function quantified(word) {
    at++;
    const pattern = tokens[at++];
    const fits = pattern === 'them' ? (n) => !n.startsWith('_') : glob(pattern);
    const of = names.filter(fits).map((name) => ({ op: 'name', name }));
    if (of.length === 0) throw new Error(`nothing fits ${pattern}`);
    if (word !== '1' && word !== 'any' && word !== 'all') throw new Error(`${word} of`);
    return { op: word === 'all' ? 'and' : 'or', of };
  }
  const tree = or();
  if (at !== tokens.length) throw new Error(`unexpected ${tokens[at]}`);
  return tree;
}

function glob(pattern) {
  const parts = pattern.split('*').map((p) => p.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  const re = new RegExp(`^${parts.join('.*')}$`);
  return (name) => re.test(name);
}

function holds(tree, value) {
  if (tree.op === 'name') return value(tree.name);
  if (tree.op === 'not') return !holds(tree.of[0], value);
  return tree.op === 'and' ? tree.of.every((t) => holds(t, value)) : tree.of.some((t) => holds(t, value));
}

// ---- one search identifier ----

function search(node, event) {
  if (node instanceof Map) return [...node].every(([key, value]) => field(key, value, event));
  if (!Array.isArray(node)) return keyword(node, event);
  return node.some((member) => (member instanceof Map ? search(member, event) : keyword(member, event)));
}

function keyword(value, event) {
  return objectTexts(event).some((text) => textTest('contains', value, false)(text));
}

function field(key, value, event) {
  const [path, ...modifiers] = key.split('|');
  const found = at(event, path);
  const values = Array.isArray(value) ? value : [value];
  if (modifiers.includes('exists')) return found.present === value;
  if (modifiers.includes('neq')) {
    const rest = modifiers.filter((m) => m !== 'neq');
    return !values.some((v) => one(found, v, rest, event));
  }
  if (modifiers.includes('all')) {
    const rest = modifiers.filter((m) => m !== 'all');
    return values.every((v) => one(found, v, rest, event));
  }
  return values.some((v) => one(found, v, modifiers, event));
}

// one says whether any member of the field meets one value.
function one(found, value, modifiers, event) {
  const how = modifiers.find((m) => ['contains', 'startswith', 'endswith'].includes(m)) ?? 'equals';
  const cased = modifiers.includes('cased');
  if (modifiers.includes('fieldref')) {
    return at(event, value).leaves.some((other) => isScalar(other) && found.leaves.some(
      (leaf) => isScalar(leaf) && textTest(how, escapeWild(String(other)), cased)(String(leaf))));
  }
  if (value === null) return !found.present || found.leaves.some((leaf) => leaf === null);
  if (modifiers.includes('re')) {
    const re = new RegExp(value, ['i', 'm', 's'].filter((f) => modifiers.includes(f)).join('') + 'u');
    return found.leaves.some((leaf) => textsOf(leaf, true).some((t) => re.test(t)));
  }
  if (how === 'equals') return found.leaves.some((leaf) => equal(leaf, value, cased));
  const known = ['contains', 'startswith', 'endswith', 'cased'];
  const odd = modifiers.find((m) => !known.includes(m));
  if (odd) throw new Error(`modifier ${odd} is not evaluated here`);
  const test = textTest(how, textOf(value), cased);
  return found.leaves.some((leaf) => textsOf(leaf, true).some(test));
}

function equal(leaf, value, cased) {
  const text = textOf(value);
  if (isScalar(leaf) && (typeof leaf === 'number' || value instanceof Num)) {
    const a = decimal(String(leaf));
    const b = decimal(text);
    if (a !== null && b !== null) return a === b;
  }
  return textsOf(leaf, hasWildcard(text)).some(textTest('equals', text, cased));
}

// decimal writes a number in one fixed way, so that 70 and 70.0 are the same.
function decimal(text) {
  const m = /^([-+]?)(\d+)(?:\.(\d*))?$/.exec(text);
  if (!m) return null;
  const whole = m[2].replace(/^0+(?=\d)/, '');
  const part = (m[3] ?? '').replace(/0+$/, '');
  const digits = part ? `${whole}.${part}` : whole;
  return (m[1] === '-' && digits !== '0' ? '-' : '') + digits;
}

const textOf = (value) => (value instanceof Num ? value.text : String(value));
const isScalar = (v) => v !== null && typeof v !== 'object';

// textsOf lists the texts that a test sees in one leaf; an object has some only
// when the test is one of text (a modifier or a wildcard).
function textsOf(leaf, textual) {
  if (leaf === null) return [];
  if (typeof leaf === 'object') return textual ? objectTexts(leaf) : [];
  return [String(leaf)];
}

// objectTexts: the compact JSON, and the same with JSON that stands inside texts
// put in raw, one level deep.
function objectTexts(object) {
  return [JSON.stringify(object), withEmbedded(object)];
}

function withEmbedded(v) {
  if (Array.isArray(v)) return `[${v.map(withEmbedded).join(',')}]`;
  if (v !== null && typeof v === 'object') {
    return `{${Object.entries(v).map(([k, x]) => `${JSON.stringify(k)}:${withEmbedded(x)}`).join(',')}}`;
  }
  return (typeof v === 'string' && embedded(v)) || JSON.stringify(v);
}

function embedded(text) {
  let inner = text;
  if (/^%[57]B/i.test(text)) {
    try { inner = decodeURIComponent(text); } catch { return null; }
  }
  if (!/^\s*[{[]/.test(inner)) return null;
  try { JSON.parse(inner); } catch { return null; }
  return inner;
}

// ---- text tests with * and ? ----

const hasWildcard = (pattern) => unescapeWild(pattern).some((p) => typeof p === 'symbol');
const ANY = Symbol('*');
const SINGLE = Symbol('?');

function escapeWild(text) {
  return text.replace(/\\+/g, (run) => run + run).replace(/[*?]/g, '\\$&');
}

// unescapeWild splits a Sigma value into characters and wildcards.
function unescapeWild(pattern) {
  const out = [];
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern[i];
    const next = pattern[i + 1];
    if (c === '\\' && (next === '*' || next === '?' || next === '\\')) { out.push(next); i++; }
    else if (c === '*') out.push(ANY);
    else if (c === '?') out.push(SINGLE);
    else out.push(c);
  }
  return out;
}

function textTest(how, pattern, cased) {
  const body = unescapeWild(pattern).map((p) => {
    if (p === ANY) return '.*';
    if (p === SINGLE) return '.';
    return p.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
  }).join('');
  const open = how === 'contains' || how === 'endswith' ? '' : '^';
  const close = how === 'contains' || how === 'startswith' ? '' : '$';
  const re = new RegExp(open + `(?:${body})` + close, cased ? 'su' : 'sui');
  return (text) => re.test(text);
}

// ---- paths ----

// at returns the values that a dotted path reaches, through arrays, and whether
// any key on that path exists. A key that itself holds dots is tried as well.
export function at(node, path) {
  const leaves = [];
  let present = false;
  const walk = (value, parts) => {
    if (Array.isArray(value)) return value.forEach((v) => walk(v, parts));
    if (parts.length === 0) { leaves.push(value); return undefined; }
    if (value === null || typeof value !== 'object') return undefined;
    for (let n = parts.length; n >= 1; n--) {
      const key = parts.slice(0, n).join('.');
      if (!Object.hasOwn(value, key)) continue;
      if (n === parts.length) present = true;
      walk(value[key], parts.slice(n));
    }
    return undefined;
  };
  walk(node, path.split('.'));
  return { leaves, present };
}
