// The oracle's own tests: small hand-made cases whose answers follow from the rules
// in README.md. Run with `node --test bench/oracle`.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matches, parseCondition, readRule } from './detection.mjs';
import { inventory } from './inventory.mjs';
import { parse } from './yaml.mjs';

// ---- Sigma ----

function hit(detection, event) {
  return matches(readRule(`title: t\nid: x\ndetection:\n${detection.replace(/^/gm, '  ')}`, 'x.yml'), event);
}

const one = (test) => `s:\n  ${test}\ncondition: s`;

for (const [name, rule, event, want] of [
  ['case is ignored', one('eventName: runinstances'), { eventName: 'RunInstances' }, true],
  ['cased', one('eventName|contains|cased: run'), { eventName: 'RunInstances' }, false],
  ['field names are exact', one('Tagging: x'), { tagging: 'x' }, false],
  ['null and absent', one('errorCode: null'), {}, true],
  ['null and present', one('errorCode: null'), { errorCode: 'AccessDenied' }, false],
  ['null below a null parent', one('a.b: null'), { a: null }, true],
  ['exists with null', one('a|exists: true'), { a: null }, true],
  ['any member of an array', one('a.items.group: all'), { a: { items: [{ group: 'x' }, { group: 'all' }] } }, true],
  ['a key that holds dots', one('a.b.c: 1'), { a: { 'b.c': 1 } }, true],
  ['number against text', one("a: '70'"), { a: 70 }, true],
  ['number by value', one('a: 70.0'), { a: 70 }, true],
  ['boolean by text', one("a: 'false'"), { a: false }, true],
  ['wildcard', one("a: 'Put*Policy'"), { a: 'PutUserPolicy' }, true],
  ['escaped wildcard', one("a: 'Put\\*'"), { a: 'PutUser' }, false],
  ['contains * needs a value', one("a|contains: '*'"), {}, false],
  ['contains on an object', one(`a|contains: '"b":"c"'`), { a: { b: 'c' } }, true],
  ['equality never meets an object', one(`a: '{"b":"c"}'`), { a: { b: 'c' } }, false],
  ['contains in embedded JSON', one(`a|contains: '"Effect":"Allow"'`), { a: { doc: '{"Effect":"Allow"}' } }, true],
  ['contains in percent-encoded JSON', one(`a|contains: '"Effect":"Allow"'`), { a: { doc: '%7B%22Effect%22:%22Allow%22%7D' } }, true],
  ['all', one("a|contains|all:\n    - x\n    - y"), { a: 'y-x' }, true],
  ['fieldref', one('a|fieldref: b.c'), { a: 'X', b: { c: 'x' } }, true],
  ['fieldref with one side absent', one('a|fieldref: b'), { a: 'x' }, false],
  ['re is cased', one("a|re: 'ab+'"), { a: 'ABB' }, false],
  ['re is found anywhere', one("a|re: 'b+'"), { a: 'abbc' }, true],
  ['a list of maps is or', 's:\n  - a: 1\n  - b: 2\ncondition: s', { b: 2 }, true],
  ['of and not', 'sel_a:\n  a: 1\nsel_b:\n  b: 2\nfilter:\n  c: 3\ncondition: 1 of sel_* and not filter', { b: 2, c: 3 }, false],
]) {
  test(`sigma: ${name}`, () => assert.equal(hit(rule, event), want));
}

test('conditions: not binds before and, and before or', () => {
  const tree = parseCondition('a or b and not c', ['a', 'b', 'c']);
  assert.equal(tree.op, 'or');
  assert.equal(tree.of[1].op, 'and');
  assert.equal(tree.of[1].of[1].op, 'not');
  assert.throws(() => parseCondition('a and nothing', ['a']), /nothing/);
});

test('yaml: what is not read is refused', () => {
  assert.throws(() => parse('a: &x 1'), /unsupported/);
  assert.throws(() => parse('a: [1, 2]'), /flow/);
  assert.throws(() => parse('a: 1\na: 2'), /duplicate/);
});

// ---- inventory ----

let number = 0;
function call(eventTime, source, eventName, requestParameters, responseElements = null, more = {}) {
  return {
    eventID: `e${String(++number).padStart(3, '0')}`, eventTime, eventSource: `${source}.amazonaws.com`, eventName, awsRegion: 'eu-west-1',
    recipientAccountId: '111122223333', userIdentity: { type: 'IAMUser', arn: 'arn:aws:iam::111122223333:user/ana', userName: 'ana' },
    requestParameters, responseElements, ...more,
  };
}
const only = (events) => {
  const { resources } = inventory(events);
  assert.equal(resources.length, 1);
  return resources[0];
};
const at = (minute) => `2026-03-01T10:${String(minute).padStart(2, '0')}:00Z`;
const run = (minute, more = {}) => call(at(minute), 'ec2', 'RunInstances', {},
  { instancesSet: { items: [{ instanceId: 'i-1', instanceType: 't3.micro', instanceState: { name: 'pending' }, ...more }] } });
const move = (minute, name, previous, current) => call(at(minute), 'ec2', name, {},
  { instancesSet: { items: [{ instanceId: 'i-1', previousState: { name: previous }, currentState: { name: current } }] } });
const tag = (minute, key, value) => call(at(minute), 'ec2', 'CreateTags',
  { resourcesSet: { items: [{ resourceId: 'i-1' }] }, tagSet: { items: [{ key, value }] } }, { _return: true });

test('a tag in the second of the create is kept, whatever its id', () => {
  const early = { ...tag(0, 'a', 'b'), eventID: 'a' };
  const r = only([early, run(0)]);
  assert.deepEqual([r.tags, r.origin], [{ a: 'b' }, 'event']);
});

test('creating until the settle time is over', () => {
  assert.equal(only([run(55)]).state, 'creating');
  assert.equal(only([run(50)]).state, 'active');
});

test('a terminated instance is not revived by a tag, nor ended twice', () => {
  const r = only([run(0), move(1, 'TerminateInstances', 'running', 'shutting-down'), move(2, 'TerminateInstances', 'terminated', 'terminated'), tag(3, 'a', 'b')]);
  assert.deepEqual([r.state, r.deleted_ts, r.changed_ts, r.tags.a], ['deleted', '2026-03-01T10:01:00Z', '2026-03-01T10:03:00Z', 'b']);
});

test('errors and calls that answered false change nothing', () => {
  const failed = { ...run(0), errorCode: 'Client.Unauthorized' };
  const refused = call(at(1), 'ec2', 'DeleteVolume', { volumeId: 'vol-1' }, { _return: false });
  assert.deepEqual(inventory([failed, refused]).resources, []);
});

test('the wrapped form of a stop', () => {
  const wrapped = call(at(5), 'ec2', 'StopInstances', { StopInstancesRequest: { InstanceId: { content: 'i-1', tag: '1' } } },
    { StopInstancesResponse: { instancesSet: { item: { instanceId: 'i-1', previousState: { name: 'running' }, currentState: { name: 'stopping' } } } } });
  assert.equal(only([run(0), wrapped]).state, 'stopped');
});

test('a security group deleted by name', () => {
  const r = only([
    call(at(0), 'ec2', 'CreateSecurityGroup', { groupName: 'web' }, { _return: true, groupId: 'sg-1' }),
    call(at(1), 'ec2', 'DeleteSecurityGroup', { groupName: 'web' }, { _return: true }),
  ]);
  assert.deepEqual([r.id, r.state, r.origin], ['sg-1', 'deleted', 'event']);
});

test('a name used again starts clean', () => {
  const made = (minute, tags) => call(at(minute), 'lambda', 'CreateFunction20150331', { functionName: 'f', tags }, { functionName: 'f', runtime: 'x' });
  const r = only([made(0, { old: '1' }), call(at(1), 'lambda', 'DeleteFunction20150331', { functionName: 'arn:aws:lambda:eu-west-1:111122223333:function:f' }), made(2, { new: '2' })]);
  assert.deepEqual([r.tags, r.state, r.created_ts, r.deleted_ts], [{ new: '2' }, 'active', '2026-03-01T10:02:00Z', null]);
});

test('deleting a version leaves the function', () => {
  assert.deepEqual(inventory([call(at(0), 'lambda', 'DeleteFunction20150331', { functionName: 'f:7' })]).resources, []);
});

test('bucket tags are replaced, and a single tag is a list of one', () => {
  const put = (minute, tagSet) => call(at(minute), 's3', 'PutBucketTagging', { bucketName: 'B', Tagging: { TagSet: { Tag: tagSet } }, tagging: [''] });
  const r = only([put(0, [{ Key: 'a', Value: '1' }, { Key: 'b', Value: '2' }]), put(1, { Key: 'c', Value: '3' })]);
  assert.deepEqual([r.key, r.tags], ['111122223333/global/AWS::S3::Bucket/b', { c: '3' }]);
});

test('a renamed database', () => {
  const { resources } = inventory([call(at(0), 'rds', 'ModifyDBInstance', { dBInstanceIdentifier: 'Old', newDBInstanceIdentifier: 'New' },
    { dBInstanceStatus: 'available', engine: 'mysql', pendingModifiedValues: { dBInstanceIdentifier: 'new' } })]);
  assert.deepEqual(resources.map((r) => [r.id, r.state, r.origin]), [['new', 'active', 'touched'], ['old', 'deleted', 'touched']]);
});

test('an access key without a user name is the caller\'s', () => {
  const r = only([call(at(0), 'iam', 'UpdateAccessKey', { accessKeyId: 'AKIA1', status: 'Inactive' })]);
  assert.deepEqual([r.attributes.user, r.state], ['ana', 'stopped']);
});

test('a role leads back to who assumed it', () => {
  const assume = call(at(0), 'sts', 'AssumeRole', { roleArn: 'r' }, { credentials: { accessKeyId: 'ASIA1', expiration: 'Mar 1, 2026, 11:00:00 AM' } });
  const role = { type: 'AssumedRole', accessKeyId: 'ASIA1', arn: 'arn:aws:sts::111122223333:assumed-role/ops/s' };
  const r = only([{ ...run(1), userIdentity: role }, assume]);
  assert.deepEqual([r.created_by, r.created_role], ['arn:aws:iam::111122223333:user/ana', 'arn:aws:iam::111122223333:role/ops']);
  assert.equal(only([{ ...run(1), userIdentity: role }]).created_by, 'arn:aws:iam::111122223333:role/ops');
});

test('a machine is its role, whether or not the call of the service was seen', () => {
  const assume = (by, role, key) => ({ ...call(at(0), 'sts', 'AssumeRole', { roleArn: role }, { credentials: { accessKeyId: key } }), userIdentity: by });
  const session = (role, key) => ({ type: 'AssumedRole', accessKeyId: key, arn: `arn:aws:sts::111122223333:assumed-role/${role}/i-1` });
  const fetched = assume({ type: 'AWSService', invokedBy: 'ec2.amazonaws.com' }, 'web', 'ASIA1');
  for (const before of [[fetched], []])
    assert.equal(only([{ ...run(1), userIdentity: session('web', 'ASIA1') }, ...before]).created_by, 'arn:aws:iam::111122223333:role/web');
  const next = assume(session('web', 'ASIA1'), 'deploy', 'ASIA2');
  assert.equal(only([{ ...run(1), userIdentity: session('deploy', 'ASIA2') }, fetched, next]).created_by, 'arn:aws:iam::111122223333:role/web');
});

test('an interface that goes with its instance', () => {
  const network = { networkInterfaceSet: { items: [{ networkInterfaceId: 'eni-1', attachment: { deleteOnTermination: true } }] } };
  const { resources } = inventory([run(0, network), move(1, 'TerminateInstances', 'running', 'shutting-down')]);
  assert.deepEqual(resources.map((r) => [r.id, r.state, r.origin]), [['i-1', 'deleted', 'event'], ['eni-1', 'deleted', 'implied']]);
});
