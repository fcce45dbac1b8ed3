// Multiplies CloudTrail log files into a corpus for load tests: every copy of
// a record gets a new eventID and a later time, and the records are packed
// into larger files, one account after the other as they were. Replication
// flatters dictionaries and compression, for every tool alike; say so when you
// quote figures.
//
//   node bench/compare/replicate.mjs FOLDER OUT [COPIES] [RECORDS PER FILE]
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";

const [folder, out, copies = "23", perFile = "2000"] = process.argv.slice(2);
if (!out) {
  console.error("usage: node replicate.mjs FOLDER OUT [COPIES] [RECORDS PER FILE]");
  process.exit(2);
}
const files = readdirSync(folder, { recursive: true }).filter((f) => f.endsWith(".json.gz"));
const minute = (f) => /_(\d{8}T\d{4}Z)_/.exec(f)?.[1] ?? "";
files.sort((a, b) => (minute(a) < minute(b) ? -1 : minute(a) > minute(b) ? 1 : a < b ? -1 : 1));
const records = files.flatMap((f) => JSON.parse(gunzipSync(readFileSync(join(folder, f)))).Records);

const first = Math.min(...records.map((r) => Date.parse(r.eventTime)));
const last = Math.max(...records.map((r) => Date.parse(r.eventTime)));
const span = Math.ceil((last - first) / 86_400_000) + 1;
const id = (text, copy) => {
  const h = createHash("sha256").update(`${copy} ${text}`).digest("hex");
  return `${h.slice(0, 8)}-${h.slice(8, 12)}-4${h.slice(13, 16)}-8${h.slice(17, 20)}-${h.slice(20, 32)}`;
};
// A copy is a burst of its own: the days of the original follow each other
// without their gaps, so that the corpus has as few days as copies.
const start = Date.UTC(2024, 0, 1);
let total = 0;
mkdirSync(out, { recursive: true });
for (let copy = 0; copy < Number(copies); copy++) {
  for (let i = 0; i < records.length; i += Number(perFile)) {
    const part = records.slice(i, i + Number(perFile)).map((r, j) => ({
      ...r,
      eventID: id(r.eventID, copy),
      eventTime: new Date(start + copy * 86_400_000 + Math.floor(((i + j) / records.length) * 80_000) * 1000).toISOString().slice(0, 19) + "Z",
    }));
    const at = new Date(Date.parse(part.at(-1).eventTime) + 300_000).toISOString().replace(/[-:]/g, "");
    const name = `${part[0].recipientAccountId ?? "000000000000"}_CloudTrail_us-east-1_${at.slice(0, 13)}Z_${id(String(i), copy).replace(/-/g, "").slice(0, 16)}.json.gz`;
    writeFileSync(join(out, name), gzipSync(JSON.stringify({ Records: part })));
    total += part.length;
  }
}
console.log(`${total} records, ${span} days of the original in each of ${copies} copies`);
