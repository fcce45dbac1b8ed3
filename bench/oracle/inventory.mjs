// Folds the history pack into an inventory, a second way.
//
//   node bench/oracle/inventory.mjs --data DIR          counts
//   node bench/oracle/inventory.mjs --data DIR --full   counts and every resource
//
// Output: {"as_of", "events", "types": {type: counts}, "resources": [...]}.
import { pathToFileURL } from 'node:url';
import { Actors } from './actor.mjs';
import { EC2, Names } from './ec2.mjs';
import { foldAll, RANK, read } from './fold.mjs';
import { history, options } from './packs.mjs';
import { first, get } from './read.mjs';
import { SOURCES } from './services.mjs';

const CATALOGUE = { ec2: EC2, ...SOURCES };

// changesOf returns what the events change, in their order.
export function changesOf(events) {
  const actors = new Actors(events);
  const effective = events.filter(hasEffect);
  const names = new Names();
  effective.forEach((e) => names.learn(e.eventName, context(e, 'create', names)));
  return effective.flatMap((e) => changes(e, names, actors));
}

// hasEffect: errors, reads and calls that answered "false" change nothing.
function hasEffect(event) {
  if (event.errorCode !== undefined && event.errorCode !== null) return false;
  if (event.readOnly === true || event.readOnly === 'true') return false;
  return first(event, 'responseElements._return') !== 'false' && handler(event) !== undefined;
}

function handler(event) {
  const source = String(event.eventSource).replace(/\.amazonaws\.com$/, '');
  const name = source === 'lambda' ? event.eventName.replace(/(20\d\d_?\d\d_?\d\d)(v\d+)?$/, '') : event.eventName;
  const table = CATALOGUE[source] ?? {};
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

const account = (e) => first(e, 'recipientAccountId', 'userIdentity.accountId');
const object = (v) => (v !== null && typeof v === 'object' ? v : {});

function context(e, effect, names) {
  const at = { time: Date.parse(e.eventTime), rank: RANK[effect], place: `${account(e)}/${e.awsRegion}` };
  return {
    event: e, name: e.eventName, names, at, q: object(get(e, 'requestParameters')), r: object(get(e, 'responseElements')),
    s: object(get(e, 'serviceEventDetails')),
  };
}

function changes(e, names, actors) {
  const made = handler(e)(context(e, /^(Delete|Release)/.test(e.eventName) ? 'delete' : 'update', names));
  return made
    .map((c) => ({
      ...c, account: c.account ?? account(e), region: c.region ?? e.awsRegion, name: e.eventName,
      time: Date.parse(e.eventTime), rank: RANK[c.effect], event: e.eventID, actor: actors.of(e),
    }))
    .filter((c) => c.account === account(e));
}

// inventory reads every resource at the first full hour at or after the newest event.
export function inventory(events) {
  const asOf = Math.ceil(Math.max(...events.map((e) => Date.parse(e.eventTime))) / 3600e3) * 3600e3;
  const records = foldAll(changesOf(events));
  const resources = [...records.values()].map((r) => read(r, records, asOf)).sort((a, b) => (a.key < b.key ? -1 : 1));
  return { as_of: new Date(asOf).toISOString(), events: events.length, resources };
}

// countsByType tells created, deleted and both ends over the whole life of a key,
// and state and origin as they are read.
export function countsByType(resources) {
  const out = {};
  for (const r of [...resources].sort((a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0))) {
    const t = (out[r.type] ??= { known: 0, created: 0, deleted: 0, both: 0, states: {}, origins: {} });
    t.known++;
    if (r.ever_created) t.created++;
    if (r.ever_deleted) t.deleted++;
    if (r.ever_created && r.ever_deleted) t.both++;
    t.states[r.state] = (t.states[r.state] ?? 0) + 1;
    t.origins[r.origin] = (t.origins[r.origin] ?? 0) + 1;
  }
  return out;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { data, full } = options(process.argv.slice(2), { data: true, full: false });
  if (!data) throw new Error('usage: inventory.mjs --data DIR [--full]');
  const { as_of, events, resources } = inventory([...history(data)]);
  const types = countsByType(resources);
  console.log(JSON.stringify({ as_of, events, types, ...(full && { resources }) }, null, 1));
}
