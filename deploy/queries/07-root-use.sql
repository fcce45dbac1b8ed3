-- Use of the root account
SELECT eventtime, eventname, sourceipaddress, useragent
FROM cairn.events
WHERE useridentity.type = 'Root' AND useridentity.invokedby IS NULL
  AND coalesce(eventtype, '') <> 'AwsServiceEvent' AND dt >= '2026-03-03'
