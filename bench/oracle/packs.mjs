// Reading of the data packs: plain objects, one per record, in the order of
// the files' names. JSON.parse keeps the last of two equal names, which is what
// Cairn promises too. It does not keep the spelling of numbers and moves members
// whose names are whole numbers to the front; neither occurs in the packs where
// an expectation looks.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';

// filesBelow lists the files below dir whose names end with suffix, sorted by path.
export function filesBelow(dir, suffix) {
  return readdirSync(dir, { recursive: true })
    .filter((name) => name.endsWith(suffix))
    .sort()
    .map((name) => join(dir, name));
}

// history yields every record of the history pack's gzip objects.
export function* history(data) {
  for (const file of filesBelow(join(data, 'cloudtrail', 'history'), '.json.gz')) {
    yield* JSON.parse(gunzipSync(readFileSync(file)).toString('utf8')).Records;
  }
}

// stratus yields {technique, event} for every record of the attack pack.
export function* stratus(data) {
  for (const file of filesBelow(join(data, 'cloudtrail', 'stratus'), '.ndjson')) {
    const technique = file.replace(/^.*[\\/]/, '').replace(/\.ndjson$/, '');
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      if (line.trim() !== '') yield { technique, event: JSON.parse(line) };
    }
  }
}

// options reads "--name value" and "--flag" arguments; names are given as
// {name: takesValue}. An unknown argument is an error.
export function options(argv, known) {
  const out = {};
  for (let i = 0; i < argv.length; i++) {
    const name = argv[i].replace(/^--/, '');
    if (!argv[i].startsWith('--') || !(name in known)) throw new Error(`unknown argument ${argv[i]}`);
    out[name] = known[name] ? argv[++i] : true;
    if (out[name] === undefined) throw new Error(`--${name} needs a value`);
  }
  return out;
}
