-- Who did what, from where
SELECT useridentity.arn, eventname, sourceipaddress, eventtime
FROM cairn.events
WHERE dt BETWEEN '2026-03-03' AND '2026-03-07'
LIMIT 100
