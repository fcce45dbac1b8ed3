-- Who assumed which role
SELECT eventtime, useridentity.sessioncontext.sessionissuer.arn AS issuer,
  json_extract_scalar(requestparameters, '$.roleArn') AS role,
  json_extract_scalar(responseelements, '$.credentials.accessKeyId') AS new_key
FROM cairn.events
WHERE eventsource = 'sts.amazonaws.com' AND eventname LIKE 'AssumeRole%' AND dt >= '2026-03-03'
