// Reading of CloudTrail's bent shapes: every function takes what a record holds,
// right or wrong, and answers undefined where there is nothing to read.

// get follows a dotted path through objects.
export function get(node, path) {
  let at = node;
  for (const part of path.split('.')) {
    if (at === null || typeof at !== 'object' || Array.isArray(at)) return undefined;
    at = Object.hasOwn(at, part) ? at[part] : undefined;
  }
  return at ?? undefined;
}

// list turns a value into members: an object or a scalar is a list of one.
export function list(value) {
  if (value === undefined || value === null || value === '') return [];
  return Array.isArray(value) ? value.filter((v) => v !== '' && v !== null) : [value];
}

// text is a scalar as text; an empty text, an object and a list of "" are absent.
export function text(value) {
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

// first is the text of the first path that yields one.
export function first(node, ...paths) {
  for (const path of paths) {
    const found = text(get(node, path));
    if (found !== undefined) return found;
  }
  return undefined;
}

// lastPart cuts an ARN or a path down to what follows its last "/" or ":".
export const lastPart = (name) => name?.split(/[/:]/).pop();

// arnOf splits an ARN; undefined for any other text.
export function arnOf(name) {
  const m = /^arn:([^:]*):([^:]*):([^:]*):([^:]*):(.*)$/.exec(name ?? '');
  return m ? { partition: m[1], service: m[2], region: m[3], account: m[4], rest: m[5] } : undefined;
}

// pairs reads tags written as a list of pairs or as an object. A tag without a
// value has the empty value.
export function pairs(value) {
  const out = {};
  for (const item of list(value)) {
    const key = first(item, 'key', 'Key', 'tagKey');
    if (key !== undefined) out[key] = first(item, 'value', 'Value', 'tagValue') ?? '';
  }
  return out;
}

// members reads tags written as {key: value}.
export function members(value) {
  if (value === undefined || value === null || typeof value !== 'object' || Array.isArray(value)) return {};
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, text(v) ?? '']));
}

// present drops the attributes that the event does not hold.
export function present(attributes) {
  return Object.fromEntries(Object.entries(attributes).filter(([, v]) => v !== undefined));
}
