-- Anonymous reads of a bucket
SELECT eventtime, eventname, sourceipaddress, requestparameters
FROM cairn.events
WHERE eventsource = 's3.amazonaws.com' AND eventname = 'GetObject'
  AND useridentity.accountid = 'anonymous' AND useridentity.arn IS NULL
  AND requestparameters LIKE '%my-bucket%' AND dt = '2026-03-03'
