// Converts CloudTrail log files to Parquet with DuckDB, into the columns that
// Cairn's table "events" takes from a record, so that both can be measured on
// one input. DuckDB gets the easier work: it knows the shape of every member
// beforehand, and it does not look for other members, duplicates or rules.
// With --sorted it also sorts by account, time and id as Cairn does; without,
// the rows stay as they come.
//
//   node bench/compare/duckdb.mjs [--sorted] --threads 2 --out FILE.parquet FOLDER
//
// It prints one JSON object: events, elapsed_seconds, cpu_seconds,
// peak_rss_bytes, bytes.
import { createRequire } from "node:module";
import { statSync } from "node:fs";

const require = createRequire(new URL("../../deploy/local/package.json", import.meta.url));
const { DuckDBInstance } = require("@duckdb/node-api");

const args = process.argv.slice(2);
const option = (name, value) => {
  const i = args.indexOf(name);
  return i < 0 ? value : args.splice(i, 2)[1];
};
const threads = option("--threads", "2");
const out = option("--out", "events.parquet");
const sorted = args.includes("--sorted");
const folder = args.filter((a) => a !== "--sorted")[0];
if (!folder) {
  console.error("usage: node duckdb.mjs [--threads N] [--out FILE] FOLDER");
  process.exit(2);
}

const text = (names) => names.map((n) => `"${n}" VARCHAR`).join(", ");
const json = (names) => names.map((n) => `"${n}" JSON`).join(", ");
const issuer = text(["type", "principalId", "arn", "accountId", "userName"]);
const identity = `STRUCT(${text(["type", "principalId", "arn", "accountId", "invokedBy", "accessKeyId", "userName", "credentialId", "identityProvider"])},
  "onBehalfOf" STRUCT(${text(["userId", "identityStoreArn"])}),
  "sessionContext" STRUCT("attributes" STRUCT(${text(["mfaAuthenticated", "creationDate"])}), "sessionIssuer" STRUCT(${issuer}),
    ${text(["ec2RoleDelivery", "sourceIdentity", "assumedRoot"])}, "webIdFederationData" STRUCT("federatedProvider" VARCHAR, "attributes" JSON)),
  "inScopeOf" STRUCT(${text(["sourceArn", "sourceAccount", "issuerType", "credentialsIssuedTo"])}))`;
const scalars = ["eventVersion", "eventTime", "eventSource", "eventName", "awsRegion", "sourceIPAddress", "userAgent", "errorCode", "errorMessage",
  "requestID", "eventID", "readOnly", "eventType", "apiVersion", "recipientAccountId", "sharedEventID", "vpcEndpointId", "vpcEndpointAccountId",
  "eventCategory", "sessionCredentialFromConsole", "managementEvent"];
const blobs = ["requestParameters", "responseElements", "additionalEventData", "serviceEventDetails", "edgeDeviceDetails", "insightDetails", "eventContext", "addendum"];
const record = `STRUCT(${text(scalars)}, "userIdentity" ${identity}, ${json(blobs)},
  "resources" STRUCT("ARN" VARCHAR, "accountId" VARCHAR, "type" VARCHAR)[], "tlsDetails" STRUCT(${text(["tlsVersion", "cipherSuite", "clientProvidedHostHeader"])}))`;
const columns = [...scalars, "userIdentity", "resources", "tlsDetails"].map((n) => `r."${n}" AS ${n.toLowerCase()}`)
  .concat(blobs.map((n) => `r."${n}"::VARCHAR AS ${n.toLowerCase()}`))
  .concat(['strptime(r."eventTime", \'%Y-%m-%dT%H:%M:%SZ\') AS event_ts']);

const db = await (await DuckDBInstance.create(":memory:", { threads })).connect();
const start = process.hrtime.bigint();
const before = process.cpuUsage();
await db.run(`COPY (SELECT ${columns.join(", ")} FROM (SELECT unnest(Records) AS r FROM
  read_json('${folder}/**/*.json.gz', columns = {Records: '${record}[]'}, maximum_object_size = 268435456)) ${sorted ? 'ORDER BY recipientaccountid, eventtime, eventid' : ""})
  TO '${out}' (FORMAT parquet, COMPRESSION zstd)`);
const used = process.cpuUsage(before);
const elapsed = Number(process.hrtime.bigint() - start) / 1e9;
const rows = await db.runAndReadAll(`SELECT count(*)::INT AS n FROM read_parquet('${out}')`);
console.log(JSON.stringify({
  events: rows.getRows()[0][0], sorted, threads: Number(threads), elapsed_seconds: elapsed, cpu_seconds: (used.user + used.system) / 1e6,
  peak_rss_bytes: process.resourceUsage().maxRSS * 1024, bytes: statSync(out).size,
}, null, 2));
