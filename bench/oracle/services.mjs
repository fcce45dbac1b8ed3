// RDS, Lambda, S3, IAM and a few services with simple names, as changes; the
// conventions are those of ec2.mjs.
import { arnOf, first, get, lastPart, list, members, pairs, present } from './read.mjs';

const change = (type, id, effect, more) => (id ? [{ type, id, effect, ...more }] : []);

// ---- RDS: names in lower case, used again ----

const DB = 'AWS::RDS::DBInstance';
const lower = (name) => name?.toLowerCase();
const dbId = ({ q }) => lower(first(q, 'dBInstanceIdentifier', 'targetDBInstanceIdentifier', 'resourceIdentifier'));

function dbState({ r }) {
  return {
    reused: true, state: first(r, 'dBInstanceStatus', 'status'),
    set: present({
      engine: first(r, 'engine'), engine_version: first(r, 'engineVersion'), class: first(r, 'dBInstanceClass'),
      multi_az: first(r, 'multiAZ'), availability_zone: first(r, 'availabilityZone'),
      encrypted: first(r, 'storageEncrypted'), is_public: first(r, 'publiclyAccessible'),
    }),
  };
}

const db = (effect) => (c) => change(DB, dbId(c), effect, {
  ...dbState(c), tags: effect === 'create' ? pairs(get(c.q, 'tags')) : {},
});

// A rename ends the old name and gives the state to the new one, whose own
// creation is not known.
function modifyDb(c) {
  const renamed = lower(first(c.r, 'pendingModifiedValues.dBInstanceIdentifier') ?? first(c.q, 'newDBInstanceIdentifier'));
  if (!renamed || renamed === dbId(c)) return db('update')(c);
  return [...change(DB, dbId(c), 'delete', { reused: true }), ...change(DB, renamed, 'update', dbState(c))];
}

const named = (type, paths, effect, more = () => ({})) => (c) => change(type, lower(first(c, ...paths)), effect, { reused: true, ...more(c) });
const cluster = (effect) => named('AWS::RDS::DBCluster', ['q.dBClusterIdentifier'], effect, ({ r }) => ({
  state: first(r, 'status'), set: present({ engine: first(r, 'engine'), engine_version: first(r, 'engineVersion') }),
}));
const dbSnapshot = (effect) => named('AWS::RDS::DBSnapshot', ['q.targetDBSnapshotIdentifier', 'q.dBSnapshotIdentifier'], effect);
const dbGroup = (effect) => named('AWS::RDS::DBSecurityGroup', ['q.dBSecurityGroupName'], effect);

const RDS_ARNS = { db: DB, cluster: 'AWS::RDS::DBCluster', snapshot: 'AWS::RDS::DBSnapshot', secgrp: 'AWS::RDS::DBSecurityGroup' };

function rdsTags(more) {
  return (c) => {
    const arn = arnOf(first(c.q, 'resourceName'));
    const [kind, id] = arn?.rest.split(/:(.*)/) ?? [];
    return RDS_ARNS[kind] ? change(RDS_ARNS[kind], lower(id), 'update', { reused: true, account: arn.account, region: arn.region, ...more(c) }) : [];
  };
}

const RDS = {
  CreateDBInstance: db('create'), CreateDBInstanceReadReplica: db('create'), RestoreDBInstanceFromDBSnapshot: db('create'),
  RestoreDBInstanceFromS3: db('create'), RestoreDBInstanceToPointInTime: db('create'), ModifyDBInstance: modifyDb,
  StartDBInstance: db('update'), StopDBInstance: db('update'), RebootDBInstance: db('update'), PromoteReadReplica: db('update'),
  ApplyPendingMaintenanceAction: db('update'), DeleteDBInstance: db('delete'),
  CreateDBCluster: cluster('create'), ModifyDBCluster: cluster('update'), StartDBCluster: cluster('update'),
  StopDBCluster: cluster('update'), DeleteDBCluster: cluster('delete'),
  CreateDBSnapshot: dbSnapshot('create'), CopyDBSnapshot: dbSnapshot('create'), ModifyDBSnapshotAttribute: dbSnapshot('update'),
  DeleteDBSnapshot: dbSnapshot('delete'),
  CreateDBSecurityGroup: dbGroup('create'), AuthorizeDBSecurityGroupIngress: dbGroup('update'),
  RevokeDBSecurityGroupIngress: dbGroup('update'), DeleteDBSecurityGroup: dbGroup('delete'),
  AddTagsToResource: rdsTags((c) => ({ tags: pairs(get(c.q, 'tags')) })),
  RemoveTagsFromResource: rdsTags((c) => ({ untag: list(get(c.q, 'tagKeys')) })),
};

// ---- Lambda: a name, an ARN or a part of one, perhaps with a qualifier ----

// functionName returns [name, qualifier].
export function functionName(said) {
  if (said === undefined) return [];
  const rest = /(?:^|:)function:(.*)$/.exec(said)?.[1] ?? said;
  return rest.split(':');
}

function lambda(effect) {
  return (c) => {
    const [name] = functionName(first(c.r, 'functionArn') ?? first(c.q, 'functionName'));
    const qualifier = first(c.q, 'qualifier') ?? functionName(first(c.q, 'functionName'))[1];
    if (effect === 'delete' && qualifier) return [];
    if (first(c.q, 'dryRun') === 'true') return [];
    return change('AWS::Lambda::Function', name, effect, {
      reused: true, tags: effect === 'create' ? members(get(c.q, 'tags')) : {},
      set: present({
        runtime: first(c.r, 'runtime'), memory: first(c.r, 'memorySize'), timeout: first(c.r, 'timeout'), role: first(c.r, 'role'),
        vpc_id: first(c.r, 'vpcConfig.vpcId'),
      }),
    });
  };
}

const LAMBDA = {
  CreateFunction: lambda('create'), UpdateFunctionCode: lambda('update'), UpdateFunctionConfiguration: lambda('update'),
  PutFunctionConcurrency: lambda('update'), DeleteFunctionConcurrency: lambda('update'), DeleteFunction: lambda('delete'),
};

// ---- S3: global names in lower case, changed by request alone ----

function bucket(effect, more = () => ({})) {
  return (c) => {
    const owner = list(c.event.resources).map((r) => first(r, 'accountId')).find((a) => a);
    return change('AWS::S3::Bucket', lower(first(c.q, 'bucketName')), effect, { reused: true, region: 'global', account: owner, ...more(c) });
  };
}

const bucketMade = ({ q, event }) => ({ set: { region: first(q, 'CreateBucketConfiguration.LocationConstraint') ?? event.awsRegion } });
const bucketTags = ({ q }) => ({ replaceTags: true, tags: pairs(get(q, 'Tagging.TagSet.Tag')) });
const S3_UPDATES = ['PutBucketPolicy', 'DeleteBucketPolicy', 'PutBucketAcl', 'PutBucketPublicAccessBlock', 'DeleteBucketPublicAccessBlock',
  'PutBucketEncryption', 'DeleteBucketEncryption', 'PutBucketVersioning', 'PutBucketLogging', 'PutBucketLifecycle', 'DeleteBucketLifecycle',
  'PutBucketWebsite', 'DeleteBucketWebsite', 'PutBucketReplication', 'DeleteBucketReplication', 'PutBucketOwnershipControls', 'PutBucketCors'];
const S3 = {
  CreateBucket: bucket('create', bucketMade), DeleteBucket: bucket('delete'), PutBucketTagging: bucket('update', bucketTags),
  DeleteBucketTagging: bucket('update', () => ({ replaceTags: true })),
  ...Object.fromEntries(S3_UPDATES.map((name) => [name, bucket('update')])),
};

// ---- IAM: global; without a user name the caller is meant ----

const caller = ({ event }) => first(event, 'userIdentity.userName');
const iam = (type, id, effect, more = () => ({})) => (c) => change(`AWS::IAM::${type}`, id(c), effect, { reused: true, region: 'global', ...more(c) });
const user = (c) => first(c.q, 'userName') ?? caller(c);
const group = (c) => first(c.q, 'groupName');
const role = (c) => first(c.q, 'roleName') ?? first(c.r, 'role.roleName');
const accessKey = (c) => first(c.r, 'accessKey.accessKeyId') ?? first(c.q, 'accessKeyId');
const keyDetails = (c) => {
  const status = first(c.r, 'accessKey.status') ?? first(c.q, 'status');
  return { reused: false, state: status, set: present({ user: first(c.r, 'accessKey.userName') ?? user(c), status }) };
};
const tagsOf = (c) => ({ tags: pairs(get(c.q, 'tags')) });
const untagsOf = (c) => ({ untag: list(get(c.q, 'tagKeys')) });
const all = (names, handler) => Object.fromEntries(names.map((name) => [name, handler]));

function renamed(type, id, path) {
  return (c) => {
    const next = first(c.q, path);
    if (!next) return iam(type, id, 'update')(c);
    return [...iam(type, id, 'delete')(c), ...iam(type, () => next, 'update')(c)];
  };
}

function policy(effect, more) {
  return (c) => {
    const arn = arnOf(first(c.r, 'policy.arn') ?? first(c.q, 'policyArn'));
    return arn && arn.account !== 'aws' ? iam('ManagedPolicy', () => lastPart(arn.rest), effect, more)({ ...c }).map((x) => ({ ...x, account: arn.account })) : [];
  };
}

const IAM = {
  CreateUser: iam('User', user, 'create', (c) => ({ ...tagsOf(c), set: present({ path: first(c.r, 'user.path') }) })),
  UpdateUser: renamed('User', user, 'newUserName'),
  ...all(['PutUserPermissionsBoundary', 'DeleteUserPermissionsBoundary', 'AttachUserPolicy', 'PutUserPolicy', 'AddUserToGroup',
    'DetachUserPolicy', 'DeleteUserPolicy', 'RemoveUserFromGroup'], iam('User', user, 'update')),
  TagUser: iam('User', user, 'update', tagsOf), UntagUser: iam('User', user, 'update', untagsOf), DeleteUser: iam('User', user, 'delete'),
  CreateAccessKey: iam('AccessKey', accessKey, 'create', keyDetails), UpdateAccessKey: iam('AccessKey', accessKey, 'update', keyDetails),
  DeleteAccessKey: iam('AccessKey', accessKey, 'delete', () => ({ reused: false })),
  CreateGroup: iam('Group', group, 'create'), UpdateGroup: renamed('Group', group, 'newGroupName'), DeleteGroup: iam('Group', group, 'delete'),
  ...all(['AttachGroupPolicy', 'PutGroupPolicy', 'DetachGroupPolicy', 'DeleteGroupPolicy'], iam('Group', group, 'update')),
  CreateRole: iam('Role', role, 'create', tagsOf), CreateServiceLinkedRole: iam('Role', role, 'create'),
  ...all(['UpdateRole', 'UpdateRoleDescription', 'UpdateAssumeRolePolicy', 'PutRolePermissionsBoundary', 'DeleteRolePermissionsBoundary',
    'AttachRolePolicy', 'PutRolePolicy', 'DetachRolePolicy', 'DeleteRolePolicy'], iam('Role', role, 'update')),
  TagRole: iam('Role', role, 'update', tagsOf), UntagRole: iam('Role', role, 'update', untagsOf),
  ...all(['DeleteRole', 'DeleteServiceLinkedRole'], iam('Role', role, 'delete')),
  CreatePolicy: policy('create', tagsOf), DeletePolicy: policy('delete'),
  ...all(['CreatePolicyVersion', 'SetDefaultPolicyVersion', 'DeletePolicyVersion'], policy('update')),
};

// ---- types that need nothing but a name ----

const simple = (type, path, effect) => (c) => change(type, lastName(first(c, ...path)), effect, { reused: true });
// A stack's ARN ends with name/uuid; a trail's and a log group's with the name.
const lastName = (said) => (/:stack\//.test(said ?? '') ? said.split('/')[1] : arnOf(said) ? lastPart(said) : said);

const STACK = ['AWS::CloudFormation::Stack', ['r.stackId', 'q.stackName']];
const TRAIL = ['AWS::CloudTrail::Trail', ['r.trailARN', 'q.name', 'q.trailName']];
const GROUP = ['AWS::AutoScaling::AutoScalingGroup', ['q.autoScalingGroupName']];
const CONFIG = ['AWS::AutoScaling::LaunchConfiguration', ['q.launchConfigurationName']];
const LOGS = ['AWS::Logs::LogGroup', ['q.logGroupName']];
const by = (type, effects) => Object.fromEntries(Object.entries(effects).map(([name, effect]) => [name, simple(...type, effect)]));

// SOURCES maps a source (without .amazonaws.com) to event name to changes.
export const SOURCES = {
  rds: RDS, lambda: LAMBDA, s3: S3, iam: IAM,
  cloudformation: by(STACK, { CreateStack: 'create', UpdateStack: 'update', DeleteStack: 'delete' }),
  cloudtrail: by(TRAIL, { CreateTrail: 'create', UpdateTrail: 'update', StartLogging: 'update', StopLogging: 'update', DeleteTrail: 'delete' }),
  autoscaling: {
    ...by(GROUP, { CreateAutoScalingGroup: 'create', UpdateAutoScalingGroup: 'update', PutScalingPolicy: 'update', DeleteAutoScalingGroup: 'delete' }),
    ...by(CONFIG, { CreateLaunchConfiguration: 'create', DeleteLaunchConfiguration: 'delete' }),
  },
  logs: by(LOGS, { CreateLogGroup: 'create', PutRetentionPolicy: 'update', DeleteRetentionPolicy: 'update', DeleteLogGroup: 'delete' }),
};
