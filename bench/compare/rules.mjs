// Writes a rule set of a wanted size for load tests: rules over single events
// as published sets have them, one in 25 without a call to look it up by, and
// for one in five a correlation over calls that are frequent; every other counts
// distinct values. Correlations group by the event, so that each has as many
// open windows as its call has events in an hour, and none ever fires.
//
//   node bench/compare/rules.mjs OUT COUNT
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [out, count] = process.argv.slice(2);
if (!count) {
  console.error("usage: node rules.mjs OUT COUNT");
  process.exit(2);
}
const calls = `DescribeDBSecurityGroups DescribeAlarms DescribeDBInstances DescribeLoadBalancers DescribeOrderableDBInstanceOptions DescribeAutoScalingGroups
  DescribeDBEngineVersions DescribeOptionGroups DescribeDBSnapshots DeleteSecurityGroup DescribeDBParameterGroups DescribeVolumes DescribeReservedDBInstances
  DescribeDBSubnetGroups DescribeLoadBalancerAttributes ConsoleLogin DescribeInstances CreateTags DescribeEvents DescribeTrails RunInstances
  DescribeOptionGroupOptions DescribeLaunchConfigurations DescribeAddresses DescribeLoadBalancerPolicies GetCallerIdentity AssumeRole Decrypt GetObject
  PutObject ListBuckets GetBucketAcl DescribeSecurityGroups DescribeSubnets DescribeVpcs DescribeImages DescribeSnapshots DescribeKeyPairs DescribeRegions
  ListUsers ListRoles GetUser GetRole ListPolicies CreateLogStream PutLogEvents DescribeLogGroups Invoke GetFunction ListFunctions20150331 DescribeTable
  PutItem Query GetItem ListKeys DescribeKey GenerateDataKey GetSecretValue DescribeParameters GetParameter`.split(/\s+/);
const services = ["ec2", "rds", "iam", "s3", "kms", "lambda", "sts", "ssm", "ecs", "eks"];
const log = "logsource: {product: aws, service: cloudtrail}";
const single = (i) => {
  const source = `eventSource: ${services[i % services.length]}.amazonaws.com`;
  if (i % 5 === 0) return `eventName: ${calls[(i / 5) % calls.length]}`; // what a correlation counts
  if (i % 25 === 3) return `userIdentity.userName: name${i}, userAgent|contains: "tool${i}"`; // no call to look it up by
  if (i % 25 === 7) return `${source}, requestParameters.policyDocument|contains: "word${i}"`;
  return `${source}, eventName: [Create${i}, Delete${i}], errorCode: null`;
};
const correlation = (i, of) => {
  const [type, condition] = i % 2 ? ["value_count", "field: sourceIPAddress, gte: 1000"] : ["event_count", "gte: 1000000"];
  return `correlation: {type: ${type}, rules: [${of}], group-by: [eventID], timespan: 1h, condition: {${condition}}}`;
};

mkdirSync(out, { recursive: true });
const documents = [];
for (let i = 0; documents.length < Number(count); i++) {
  const id = (kind) => `00000000-0000-4000-8${kind}00-${String(i).padStart(12, "0")}`;
  const counted = i % 5 === 0 && documents.length + 1 < Number(count);
  documents.push(`{title: Load ${i}, id: ${id(0)}, name: load_${i}, level: ${counted ? "informational" : "low"}, ${log},\n detection: {condition: selection, selection: {${single(i)}}}}`);
  if (counted) {
    documents.push(`{title: Load ${i} together, id: ${id(1)}, level: low,\n ${correlation(i / 5, `load_${i}`)}}`);
  }
}
writeFileSync(join(out, "load.yml"), documents.join("\n---\n") + "\n");
