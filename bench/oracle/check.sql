-- A third look at the oracle's numbers, over the raw JSON and by other means: sets
-- and joins in DuckDB instead of folds and predicates in JavaScript. It knows only
-- what these types and rules need. The result must equal expected/*.json; check.mjs
-- compares them.
--
-- :data is replaced by the data folder. The arrows bind more loosely than AND and =,
-- hence the brackets.

CREATE TEMP TABLE history AS
SELECT (r ->> 'eventID') AS id, ((r ->> 'eventTime'))::TIMESTAMP AS at, (r ->> 'eventSource') AS source, (r ->> 'eventName') AS name,
       (r ->> 'errorCode') AS error, (r -> 'requestParameters') AS q, (r -> 'responseElements') AS a, r AS e
FROM (SELECT unnest(Records) AS r
      FROM read_json(':data/cloudtrail/history/**/*.json.gz', columns = {Records: 'JSON[]'}, maximum_object_size = 268435456));

CREATE TEMP TABLE stratus AS
SELECT (json ->> 'eventSource') AS source, (json ->> 'eventName') AS name, (json ->> 'errorCode') AS error,
       (json -> 'requestParameters') AS q, (json -> 'responseElements') AS a, json AS e
FROM read_json(':data/cloudtrail/stratus/*.ndjson', columns = {json: 'JSON'}, format = 'newline_delimited', records = false);

-- done: successful calls only.
CREATE TEMP TABLE done AS
SELECT * FROM history WHERE error IS NULL AND coalesce((a ->> '_return'), 'true') <> 'false';

CREATE TEMP TABLE ends (type VARCHAR, id VARCHAR, made BOOLEAN);

INSERT INTO ends
SELECT 'AWS::EC2::Instance', unnest(a ->> '$.instancesSet.items[*].instanceId'), true FROM done WHERE name = 'RunInstances'
UNION ALL
SELECT 'AWS::EC2::Instance', (i ->> 'instanceId'), false
FROM (SELECT unnest((a -> '$.instancesSet.items[*]')) AS i FROM done WHERE name = 'TerminateInstances')
WHERE (i ->> '$.previousState.name') NOT IN ('shutting-down', 'terminated')
UNION ALL
SELECT 'AWS::EC2::Volume', coalesce((a ->> 'volumeId'), (q ->> 'volumeId')), name = 'CreateVolume' FROM done WHERE name IN ('CreateVolume', 'DeleteVolume')
UNION ALL
SELECT 'AWS::EC2::Snapshot', coalesce((a ->> 'snapshotId'), (q ->> 'snapshotId')), name = 'CreateSnapshot' FROM done WHERE name IN ('CreateSnapshot', 'DeleteSnapshot')
UNION ALL
SELECT 'AWS::EC2::Image', coalesce((a ->> 'imageId'), (q ->> 'imageId')), name <> 'DeregisterImage' FROM done WHERE name IN ('CreateImage', 'RegisterImage', 'DeregisterImage')
UNION ALL
SELECT 'AWS::EC2::EIP', coalesce((a ->> 'publicIp'), (q ->> 'publicIp')), name = 'AllocateAddress' FROM done WHERE name IN ('AllocateAddress', 'ReleaseAddress')
UNION ALL
SELECT 'AWS::Lambda::Function', regexp_extract((q ->> 'functionName'), '([^:]+)$', 1), name LIKE 'Create%' FROM done
WHERE source LIKE 'lambda.%' AND regexp_matches(name, '^(Create|Delete)Function2')
UNION ALL
SELECT 'AWS::RDS::DBInstance', lower((q ->> 'dBInstanceIdentifier')), name NOT IN ('DeleteDBInstance', 'ModifyDBInstance') FROM done
WHERE name IN ('CreateDBInstance', 'CreateDBInstanceReadReplica', 'RestoreDBInstanceFromDBSnapshot', 'DeleteDBInstance')
   OR (name = 'ModifyDBInstance' AND (q ->> 'newDBInstanceIdentifier') IS NOT NULL)
UNION ALL
SELECT 'AWS::S3::Bucket', lower((q ->> 'bucketName')), name = 'CreateBucket' FROM done WHERE name IN ('CreateBucket', 'DeleteBucket');

-- A security group deleted by name is the newest group of that name made before.
INSERT INTO ends SELECT 'AWS::EC2::SecurityGroup', (a ->> 'groupId'), true FROM done WHERE name = 'CreateSecurityGroup';
INSERT INTO ends
SELECT 'AWS::EC2::SecurityGroup', coalesce((d.q ->> 'groupId'), (
         SELECT max_by((c.a ->> 'groupId'), c.at) FROM done c
         WHERE c.name = 'CreateSecurityGroup' AND (c.q ->> 'groupName') = (d.q ->> 'groupName') AND c.at <= d.at
           AND (c.e ->> 'awsRegion') = (d.e ->> 'awsRegion')), (d.q ->> 'groupName')), false
FROM done d WHERE d.name = 'DeleteSecurityGroup';

-- result: one row per type, then one per rule.
WITH per_key AS (SELECT type, id, bool_or(made) AS created, bool_or(NOT made) AS deleted FROM ends GROUP BY ALL),
     types AS (SELECT type AS what, count(*) FILTER (created)::INT AS x, count(*) FILTER (deleted)::INT AS y,
                      count(*) FILTER (created AND deleted)::INT AS z FROM per_key GROUP BY type),
     events AS (SELECT 'history' AS pack, source, name, error, q, a, e FROM history UNION ALL SELECT 'stratus', * FROM stratus),
     hits AS (
       SELECT 'aws_sts_assumerole_misuse.yml' AS file, pack FROM events
       WHERE (e ->> '$.userIdentity.type') = 'AssumedRole' AND (e ->> '$.userIdentity.sessionContext.sessionIssuer.type') = 'Role'
       UNION ALL
       SELECT 'aws_root_account_usage.yml', pack FROM events
       WHERE (e ->> '$.userIdentity.type') = 'Root' AND coalesce((e ->> 'eventType'), '') <> 'AwsServiceEvent'
       UNION ALL
       SELECT 'aws_cloudtrail_security_group_change_ingress_egress.yml', pack FROM events
       WHERE source = 'ec2.amazonaws.com' AND regexp_matches(name, '^(Authorize|Revoke)SecurityGroup(In|E)gress$')
       UNION ALL
       SELECT 'aws_enum_buckets.yml', pack FROM events
       WHERE source = 's3.amazonaws.com' AND name = 'ListBuckets' AND coalesce((e ->> '$.userIdentity.type'), '') <> 'AssumedRole'
       UNION ALL
       SELECT 'aws_cloudtrail_console_login_success_without_mfa.yml', pack FROM events
       WHERE name = 'ConsoleLogin' AND upper((e ->> '$.additionalEventData.MFAUsed')) = 'NO' AND (a ->> 'ConsoleLogin') = 'Success'
       UNION ALL
       SELECT 'aws_cloudtrail_security_group_change_rds.yml', pack FROM events
       WHERE source = 'rds.amazonaws.com' AND regexp_matches(name, '^(Authorize|Revoke|Create|Delete)DBSecurityGroup(Ingress)?$')
       UNION ALL
       SELECT 'aws_rds_change_master_password.yml', pack FROM events
       WHERE source = 'rds.amazonaws.com' AND name = 'ModifyDBInstance' AND (a ->> '$.pendingModifiedValues.masterUserPassword') IS NOT NULL
       UNION ALL
       SELECT 'aws_iam_backdoor_users_keys.yml', pack FROM events
       WHERE source = 'iam.amazonaws.com' AND name = 'CreateAccessKey'
         AND coalesce((e ->> '$.userIdentity.arn'), '') NOT ILIKE '%responseElements.accessKey.userName%'
       UNION ALL
       SELECT 'aws_update_login_profile.yml', pack FROM events
       WHERE source = 'iam.amazonaws.com' AND name = 'UpdateLoginProfile'
         AND coalesce(lower((e ->> '$.userIdentity.arn')) = lower((q ->> 'userName')), false) = false
       UNION ALL
       SELECT 'aws_new_lambda_layer_attached.yml', pack FROM events
       WHERE source = 'lambda.amazonaws.com' AND name ILIKE 'UpdateFunctionConfiguration%' AND json_array_length((q -> 'layers')) > 0
     ),
     rules AS (SELECT file AS what, count(*) FILTER (pack = 'history')::INT AS x, count(*) FILTER (pack = 'stratus')::INT AS y, NULL::INT AS z
               FROM hits GROUP BY file)
SELECT * FROM types UNION ALL SELECT * FROM rules ORDER BY what;
