-- Everything that one access key did
SELECT eventtime, awsregion, eventsource, eventname, sourceipaddress
FROM cairn.events
WHERE useridentity.accesskeyid = 'AKIAIOSFODNN7EXAMPLE' AND dt >= '2026-03-01'
ORDER BY eventtime
