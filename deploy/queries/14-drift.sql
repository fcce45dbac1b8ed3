-- What is new, gone or changed since a snapshot
WITH a AS (
  SELECT * FROM cairn.resources WHERE snapshot = '2026-03-03T00-00' AND state <> 'deleted'
),
b AS (
  SELECT * FROM cairn.resources_current WHERE state <> 'deleted'
)
SELECT coalesce(a.resource_key, b.resource_key) AS resource_key,
  CASE WHEN a.resource_key IS NULL THEN 'new' WHEN b.resource_key IS NULL THEN 'gone' ELSE 'changed' END AS drift,
  b.changed_ts, b.changed_by, b.changed_event_name
FROM a FULL JOIN b ON a.resource_key = b.resource_key
WHERE a.changed_event_id IS DISTINCT FROM b.changed_event_id
ORDER BY 1
