-- Events that name a resource, by its ARN
SELECT e.eventtime, e.eventname, e.useridentity.arn AS caller
FROM cairn.events e CROSS JOIN UNNEST(e.resources) AS t(arn, accountid, type)
WHERE t.arn = 'arn:aws:s3:::larkfield-security-logs' AND e.dt >= '2026-03-03'
ORDER BY e.eventtime DESC
