// The fold: the changes of one resource, sorted by version, are played one after
// the other into a plain record. No registers and no merging: where Cairn must
// reach the same answer for any order of arrival, this program simply sorts.

// compareVersions orders by time in ms, then create, other, delete, then event id.
export function compareVersions(a, b) {
  return a.time - b.time || a.rank - b.rank || (a.event < b.event ? -1 : a.event > b.event ? 1 : 0);
}

export const RANK = { create: 0, update: 1, delete: 2 };

// settle is how long a resource counts as being created, in ms, where not 0.
const SETTLE = { 'AWS::EC2::Instance': 10 * 60e3, 'AWS::RDS::DBInstance': 60 * 60e3 };

// Words of AWS for our states; other words say nothing.
const STATES = {
  pending: 'creating', creating: 'creating', running: 'active', available: 'active', Active: 'active',
  stopping: 'stopped', stopped: 'stopped', Inactive: 'stopped',
  'shutting-down': 'deleted', terminated: 'deleted', deleting: 'deleted',
};

// resourceKey is the identity of a resource.
export const resourceKey = (c) => `${c.account}/${c.region}/${c.type}/${c.id}`;

// foldAll returns a record per key from the changes of all.
export function foldAll(changes) {
  const byKey = new Map();
  for (const change of changes) {
    const key = resourceKey(change);
    byKey.set(key, [...(byKey.get(key) ?? []), change]);
  }
  return new Map([...byKey].map(([key, list]) => [key, fold(key, list.sort(compareVersions))]));
}

function fold(key, changes) {
  const { type, id, account, region } = changes[0];
  const r = { key, type, id, account, region, ...noLife(), everCreated: false, everDeleted: false, gone: false };
  changes.forEach((c) => apply(r, c));
  return { ...r, first: changes[0], changed: changes.at(-1), events: newest(changes) };
}

const noLife = () => ({ created: null, deleted: null, state: null, attributes: {}, tags: {}, attachments: {} });

function apply(r, c) {
  if (c.effect === 'create') {
    Object.assign(r, noLife(), { created: c, everCreated: true, gone: false, state: { word: 'available', at: c.time } });
  } else if (c.effect === 'delete') {
    Object.assign(r, { deleted: c, everDeleted: true, gone: true });
  } else if (r.gone && c.reused) {
    Object.assign(r, noLife(), { gone: false });
  }
  write(r, c);
}

function write(r, c) {
  if (c.state && STATES[c.state]) r.state = { word: c.state, at: c.time };
  Object.assign(r.attributes, c.set);
  for (const name of c.unset ?? []) delete r.attributes[name];
  if (c.replaceTags) r.tags = {};
  Object.assign(r.tags, c.tags);
  for (const name of c.untag ?? []) delete r.tags[name];
  for (const [to, detail] of Object.entries(c.attach ?? {})) r.attachments[to] = detail;
  for (const to of c.detach ?? []) delete r.attachments[to];
}

function newest(changes) {
  return [...new Set(changes.map((c) => c.event).reverse())].slice(0, 8);
}

// read answers what a record is at a moment; all is needed because a volume or an
// interface goes with its instance.
export function read(r, all, at) {
  const implied = !r.gone && goneWithInstance(r, all);
  return {
    key: r.key, type: r.type, id: r.id, account: r.account, region: r.region,
    state: r.gone || implied ? 'deleted' : stateAt(r, at),
    origin: implied ? 'implied' : r.created ? 'event' : 'touched',
    ...moment('created', r.created), ...moment('changed', r.changed), ...moment('deleted', r.deleted),
    first_seen_ts: iso(r.first.time), event_ids: r.events,
    attributes: sorted(r.attributes), tags: sorted(r.tags),
    ever_created: r.everCreated, ever_deleted: r.everDeleted,
  };
}

function stateAt(r, at) {
  if (!r.state) return 'unknown';
  const state = STATES[r.state.word];
  if (state !== 'creating') return state;
  return at >= (r.created?.time ?? r.state.at) + (SETTLE[r.type] ?? 0) ? 'active' : 'creating';
}

function goneWithInstance(r, all) {
  return Object.entries(r.attachments).some(([instance, detail]) => {
    const host = all.get(`${r.account}/${r.region}/AWS::EC2::Instance/${instance}`);
    return detail.deleteOnTermination && host?.gone;
  });
}

function moment(name, c) {
  if (!c) return { [`${name}_ts`]: null };
  return {
    [`${name}_ts`]: iso(c.time), [`${name}_by`]: c.actor.root, [`${name}_role`]: c.actor.role,
    [`${name}_via`]: c.actor.via, [`${name}_event_id`]: c.event, [`${name}_event_name`]: c.name,
  };
}

const iso = (ms) => new Date(ms).toISOString().replace('.000Z', 'Z');
const sorted = (o) => Object.fromEntries(Object.entries(o).sort(([a], [b]) => (a < b ? -1 : 1)));
