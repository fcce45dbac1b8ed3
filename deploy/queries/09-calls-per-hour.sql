-- Calls and errors per service and hour
SELECT date_trunc('hour', event_ts) AS hr, eventsource, count(*) AS calls, count(errorcode) AS errors
FROM cairn.events
WHERE dt = '2026-03-03'
GROUP BY 1, 2
ORDER BY calls DESC
LIMIT 100
