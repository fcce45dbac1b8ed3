-- Access denied, per principal and call
SELECT useridentity.arn, eventsource, eventname, errorcode, count(*) AS n
FROM cairn.events
WHERE (errorcode LIKE '%UnauthorizedOperation' OR errorcode LIKE 'AccessDenied%') AND dt >= '2026-03-03'
GROUP BY 1, 2, 3, 4
ORDER BY n DESC
LIMIT 50
