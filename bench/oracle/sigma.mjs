// Counts, per SigmaHQ rule, the matching records of the history and attack packs.
// A second implementation of Sigma's single-event semantics: it walks parsed
// objects test by test and never compiles, indexes or caches anything.
//
//   node bench/oracle/sigma.mjs --data DIR
//
// Output: {"<rule id>": {"title", "file", "history", "stratus"}, ...} by id.
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { filesBelow, history, options, stratus } from './packs.mjs';
import { matches, readRule } from './detection.mjs';

// loadRules reads the rules of dir that need no list; the one that does (it names
// two placeholders) is not part of the 57.
function loadRules(dir) {
  return filesBelow(dir, '.yml')
    .map((file) => readRule(readFileSync(file, 'utf8'), basename(file)))
    .filter((rule) => rule.placeholders.length === 0);
}

function count(rules, events) {
  const hits = new Map(rules.map((rule) => [rule.id, 0]));
  for (const event of events) {
    for (const rule of rules) {
      if (matches(rule, event)) hits.set(rule.id, hits.get(rule.id) + 1);
    }
  }
  return hits;
}

function* eventsOf(labelled) {
  for (const { event } of labelled) yield event;
}

// run returns the table that the program prints.
export function run(data) {
  const rules = loadRules(join(data, 'sigma', 'rules')).sort((a, b) => (a.id < b.id ? -1 : 1));
  const inHistory = count(rules, history(data));
  const inStratus = count(rules, eventsOf(stratus(data)));
  return Object.fromEntries(rules.map(({ id, title, file }) =>
    [id, { title, file, history: inHistory.get(id), stratus: inStratus.get(id) }]));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { data } = options(process.argv.slice(2), { data: true });
  if (!data) throw new Error('usage: sigma.mjs --data DIR');
  console.log(JSON.stringify(run(data), null, 1));
}
