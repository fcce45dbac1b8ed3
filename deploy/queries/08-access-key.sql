-- Everything that one access key did
SELECT eventtime, awsregion, eventsource, eventname, sourceipaddress
FROM cairn.events
WHERE useridentity.accesskeyid = 'AKIAU4WZK3X4H4N6MSZP' AND dt >= '2026-03-03'
ORDER BY eventtime
