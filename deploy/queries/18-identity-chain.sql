-- What was done with the credentials that a call issued, and by whom
WITH issued AS (
  SELECT json_extract_scalar(responseelements, '$.credentials.accessKeyId') AS new_key, actor_root, useridentity.arn AS caller,
    json_extract_scalar(requestparameters, '$.roleArn') AS role
  FROM cairn.events
  WHERE eventsource = 'sts.amazonaws.com' AND errorcode IS NULL AND dt >= '2026-03-03'
)
SELECT i.actor_root, i.caller, i.role, e.eventsource, e.eventname, count(*) AS n, count(e.errorcode) AS errors
FROM issued i JOIN cairn.events e ON e.useridentity.accesskeyid = i.new_key
WHERE e.dt >= '2026-03-03'
GROUP BY 1, 2, 3, 4, 5
ORDER BY n DESC
