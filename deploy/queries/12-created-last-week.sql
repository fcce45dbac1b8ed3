-- Created in the week before the snapshot, and still there
SELECT type, resource_key, owner, created_ts, created_by
FROM cairn.resources_current
WHERE state <> 'deleted' AND created_ts >= snapshot_ts - INTERVAL '7' DAY
ORDER BY created_ts
