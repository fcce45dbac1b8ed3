// EC2 calls as changes. Each function gets {q, r, name, names, at} of one event
// and returns changes without version, actor, account and region.
import { first, get, list, pairs, present, text } from './read.mjs';

const PREFIXES = {
  i: 'Instance', vol: 'Volume', snap: 'Snapshot', ami: 'Image', sg: 'SecurityGroup', vpc: 'VPC', subnet: 'Subnet',
  eni: 'NetworkInterface', eipalloc: 'EIP',
};
const of = (kind, id, effect, more) => (id ? [{ type: `AWS::EC2::${kind}`, id, effect, ...more }] : []);
const items = (node, path) => list(get(node, path));
const resource = (kind, idPaths, effect, more = () => ({})) => (c) => of(kind, first(c, ...idPaths), effect, more(c));

function runInstances(c) {
  const asked = new Set(items(c.q, 'networkInterfaceSet.items').map((n) => first(n, 'networkInterfaceId')));
  return items(c.r, 'instancesSet.items').flatMap((i) => [
    ...of('Instance', first(i, 'instanceId'), 'create', {
      state: first(i, 'instanceState.name'), tags: pairs(get(i, 'tagSet.items')), set: instanceAttributes(i),
    }),
    ...items(i, 'networkInterfaceSet.items').flatMap((n) => runInterface(n, i, asked)),
  ]);
}

function instanceAttributes(i) {
  return present({
    instance_type: first(i, 'instanceType'), image_id: first(i, 'imageId'), vpc_id: first(i, 'vpcId'),
    subnet_id: first(i, 'subnetId'), private_dns_name: first(i, 'privateDnsName'), private_ip: first(i, 'privateIpAddress'),
    availability_zone: first(i, 'placement.availabilityZone'), key_name: first(i, 'keyName'),
  });
}

// An interface that the request named existed before; any other is made by the call.
function runInterface(n, instance, asked) {
  const id = first(n, 'networkInterfaceId');
  const deleteOnTermination = first(n, 'attachment.deleteOnTermination') === 'true';
  return of('NetworkInterface', id, asked.has(id) ? 'update' : 'create', {
    set: interfaceAttributes(n), attach: { [first(instance, 'instanceId')]: { deleteOnTermination } },
  });
}

function interfaceAttributes(n) {
  return present({ vpc_id: first(n, 'vpcId'), subnet_id: first(n, 'subnetId'), private_ip: first(n, 'privateIpAddress') });
}

const GOING = new Set(['shutting-down', 'terminated']);

// moveInstances reads the list form and the wrapped form of Start, Stop and
// Terminate. An instance that was already going is not changed.
function moveInstances(effect) {
  return (c) => {
    const told = [...items(c.r, 'instancesSet.items'), ...items(c.r, `${c.name}Response.instancesSet.item`)];
    const moved = told.length > 0 ? told : items(c.q, 'instancesSet.items');
    return moved
      .filter((i) => !GOING.has(first(i, 'previousState.name')))
      .flatMap((i) => of('Instance', first(i, 'instanceId'), effect, { state: first(i, 'currentState.name') }));
  };
}

function modifyInstance(c) {
  const named = get(c.q, 'attribute');
  const value = (name) => first(c.q, `${name}.value`) ?? (named === name ? first(c.q, 'value') : undefined);
  return of('Instance', first(c.q, 'instanceId'), 'update', {
    set: present({ instance_type: value('instanceType'), termination_protection: value('disableApiTermination') }),
  });
}

function tagged(change) {
  return (c) => items(c.q, 'resourcesSet.items').flatMap((item) => {
    const id = first(item, 'resourceId');
    const kind = PREFIXES[id?.split('-')[0]];
    return kind ? of(kind, id, 'update', change(c)) : [];
  });
}

const VOLUME = ['r.volumeId', 'q.volumeId', 'q.ModifyVolumeRequest.VolumeId'];
const volume = (effect, more) => resource('Volume', VOLUME, effect, more);
const volumeCreated = ({ q, r }) => ({
  state: first(r, 'status'), tags: pairs(get(r, 'tagSet.items')),
  set: present({
    size: first(r, 'size') ?? first(q, 'size'), volume_type: first(r, 'volumeType'), iops: first(r, 'iops'),
    availability_zone: first(r, 'zone', 'availabilityZone') ?? first(q, 'zone', 'availabilityZone'),
    encrypted: first(r, 'encrypted'), snapshot_id: first(r, 'snapshotId'),
  }),
});
const attached = ({ q, r }) => ({
  attach: { [first(r, 'instanceId') ?? first(q, 'instanceId')]: { deleteOnTermination: first(r, 'deleteOnTermination') === 'true' } },
});
const detached = ({ q, r }) => ({ detach: list(first(r, 'instanceId') ?? first(q, 'instanceId')) });

const snapshotCreated = ({ q, r }) => ({
  tags: pairs(get(r, 'tagSet.items')),
  set: present({ volume_id: first(r, 'volumeId') ?? first(q, 'volumeId'), size: first(r, 'volumeSize'), encrypted: first(r, 'encrypted') }),
});
const createSnapshots = (c) => items(c.r, 'CreateSnapshotsResponse.snapshotSet.item')
  .flatMap((s) => of('Snapshot', first(s, 'snapshotId'), 'create', snapshotCreated({ q: {}, r: s })));

function createGroup(c) {
  return of('SecurityGroup', first(c.r, 'groupId'), 'create', {
    set: present({ group_name: first(c.q, 'groupName'), vpc_id: first(c.q, 'vpcId') }),
  });
}

// group joins a call that names a security group by name with the id that the
// name meant at that time; an unknown name stands for itself.
function group(effect) {
  return (c) => {
    const name = first(c.q, 'groupName');
    const id = first(c.q, 'groupId', 'ModifySecurityGroupRulesRequest.GroupId') ?? c.names.group(name, first(c.q, 'vpcId'), c.at) ?? name;
    return of('SecurityGroup', id, effect);
  };
}

function address(effect) {
  return (c) => {
    const ip = first(c.q, 'publicIp');
    const id = first(c.q, 'allocationId') ?? c.names.association(first(c.q, 'associationId'), c.at) ?? c.names.address(ip, c.at) ?? ip;
    return of('EIP', id, effect, { reused: !id?.startsWith('eipalloc-') });
  };
}

const allocated = ({ r }) => ({
  reused: first(r, 'allocationId') === undefined, set: present({ public_ip: first(r, 'publicIp'), domain: first(r, 'domain') }),
});

const subnetCreated = ({ r }) => ({
  set: present({ vpc_id: first(r, 'subnet.vpcId'), availability_zone: first(r, 'subnet.availabilityZone'), cidr: first(r, 'subnet.cidrBlock') }),
  tags: pairs(get(r, 'subnet.tagSet.items')),
});
const interfaceCreated = ({ r }) => ({ set: interfaceAttributes(get(r, 'networkInterface')) });
const interfaceById = (effect) => resource('NetworkInterface', ['q.networkInterfaceId'], effect);
const keyPair = (effect) => resource('KeyPair', ['q.keyName'], effect, ({ r }) => ({ reused: true, set: present({ fingerprint: first(r, 'keyFingerprint') }) }));
const SNAPSHOT = ['r.snapshotId', 'q.snapshotId', 's.snapshotId'];
const IMAGE = ['r.imageId', 'q.imageId'];

// EC2 maps event names to their changes.
export const EC2 = {
  RunInstances: runInstances,
  StartInstances: moveInstances('update'),
  StopInstances: moveInstances('update'),
  RebootInstances: moveInstances('update'),
  TerminateInstances: moveInstances('delete'),
  ModifyInstanceAttribute: modifyInstance,
  BidEvictedEvent: (c) => list(get(c.s, 'instanceIdSet')).flatMap((id) => of('Instance', text(id), 'delete')),
  CreateTags: tagged((c) => ({ tags: pairs(get(c.q, 'tagSet.items')) })),
  DeleteTags: tagged((c) => ({ untag: Object.keys(pairs(get(c.q, 'tagSet.items'))) })),
  CreateVolume: volume('create', volumeCreated),
  AttachVolume: volume('update', attached),
  DetachVolume: volume('update', detached),
  ModifyVolume: volume('update'),
  DeleteVolume: volume('delete'),
  CreateSnapshot: resource('Snapshot', SNAPSHOT, 'create', snapshotCreated),
  CopySnapshot: resource('Snapshot', ['r.snapshotId'], 'create'),
  CreateSnapshots: createSnapshots,
  ModifySnapshotAttribute: resource('Snapshot', SNAPSHOT, 'update'),
  SharedSnapshotVolumeCreated: resource('Snapshot', SNAPSHOT, 'update'),
  DeleteSnapshot: resource('Snapshot', SNAPSHOT, 'delete'),
  CreateImage: resource('Image', IMAGE, 'create', ({ q }) => ({ set: present({ name: first(q, 'name') }) })),
  RegisterImage: resource('Image', IMAGE, 'create', ({ q }) => ({ set: present({ name: first(q, 'name') }) })),
  CopyImage: resource('Image', ['r.imageId'], 'create', ({ q }) => ({ set: present({ name: first(q, 'name') }) })),
  ModifyImageAttribute: resource('Image', IMAGE, 'update'),
  DeregisterImage: resource('Image', IMAGE, 'delete'),
  CreateSecurityGroup: createGroup,
  DeleteSecurityGroup: group('delete'),
  AuthorizeSecurityGroupIngress: group('update'),
  AuthorizeSecurityGroupEgress: group('update'),
  RevokeSecurityGroupIngress: group('update'),
  RevokeSecurityGroupEgress: group('update'),
  CreateVpc: resource('VPC', ['r.vpc.vpcId'], 'create', ({ r }) => ({ state: first(r, 'vpc.state'), tags: pairs(get(r, 'vpc.tagSet.items')) })),
  ModifyVpcAttribute: resource('VPC', ['q.vpcId'], 'update'),
  DeleteVpc: resource('VPC', ['q.vpcId'], 'delete'),
  CreateSubnet: resource('Subnet', ['r.subnet.subnetId'], 'create', subnetCreated),
  ModifySubnetAttribute: resource('Subnet', ['q.subnetId'], 'update'),
  DeleteSubnet: resource('Subnet', ['q.subnetId'], 'delete'),
  CreateNetworkInterface: resource('NetworkInterface', ['r.networkInterface.networkInterfaceId'], 'create', interfaceCreated),
  ModifyNetworkInterfaceAttribute: interfaceById('update'),
  AttachNetworkInterface: interfaceById('update'),
  DeleteNetworkInterface: interfaceById('delete'),
  AllocateAddress: resource('EIP', ['r.allocationId', 'r.publicIp'], 'create', allocated),
  AssociateAddress: address('update'),
  DisassociateAddress: address('update'),
  ReleaseAddress: address('delete'),
  CreateKeyPair: keyPair('create'),
  ImportKeyPair: keyPair('create'),
  DeleteKeyPair: keyPair('delete'),
};

// Names answers what a group's name, a public address or an association id meant
// at a moment, from the calls that said so up to then.
export class Names {
  constructor() { this.taught = []; }

  // learn takes the names that one event teaches.
  learn(name, c) {
    const teach = (kind, scope, from, to) => from && to && this.taught.push({ kind, scope, from, to, at: c.at });
    if (name === 'CreateSecurityGroup') teach('group', first(c.q, 'vpcId') ?? '', first(c.q, 'groupName'), first(c.r, 'groupId'));
    if (name === 'AllocateAddress') teach('address', '', first(c.r, 'publicIp'), first(c.r, 'allocationId'));
    if (name === 'AssociateAddress') teach('association', '', first(c.r, 'associationId'), first(c.q, 'allocationId'));
    for (const i of name === 'RunInstances' ? items(c.r, 'instancesSet.items') : []) {
      for (const g of items(i, 'groupSet.items')) teach('group', first(i, 'vpcId') ?? '', first(g, 'groupName'), first(g, 'groupId'));
    }
  }

  group(name, vpc, at) { return this.#find('group', vpc ?? '', name, at); }
  address(ip, at) { return this.#find('address', '', ip, at); }
  association(id, at) { return this.#find('association', '', id, at); }

  #find(kind, scope, from, at) {
    const known = this.taught
      .filter((t) => t.kind === kind && t.scope === scope && t.from === from && t.at.place === at.place && before(t.at, at))
      .sort((a, b) => a.at.time - b.at.time || a.at.rank - b.at.rank);
    return known.at(-1)?.to;
  }
}

const before = (a, b) => a.time < b.time || (a.time === b.time && a.rank <= b.rank);
