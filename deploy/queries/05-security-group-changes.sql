-- Security group changes
SELECT eventtime, eventname, actor_root,
  coalesce(json_extract_scalar(requestparameters, '$.groupId'), json_extract_scalar(requestparameters, '$.groupName')) AS sg,
  sourceipaddress
FROM cairn.events
WHERE errorcode IS NULL AND dt >= '2026-03-03'
  AND (eventname IN ('CreateSecurityGroup', 'DeleteSecurityGroup') OR regexp_like(eventname, '^(Authorize|Revoke)SecurityGroup(In|E)gress$'))
