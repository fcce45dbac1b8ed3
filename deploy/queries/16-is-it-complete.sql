-- Is the lake complete up to its newest full hour: covered must be 1 and gaps 0. For another: asked AS (SELECT TIMESTAMP '2026-03-03 13:00:00' AS upto)
WITH asked AS (
  SELECT date_trunc('hour', max(watermark_ts)) AS upto FROM cairn.progress WHERE table_name = 'events'
),
reports AS (
  SELECT *, coalesce(watermark_from_ts, min(first_event_ts) OVER ()) AS from_ts
  FROM cairn.progress CROSS JOIN asked
  WHERE table_name = 'events' AND dt >= '2026-03-03'
)
SELECT coalesce(sum(CASE WHEN from_ts < upto AND watermark_ts >= upto THEN hash_share END), 0) AS covered,
  coalesce(sum(late), 0) AS late, coalesce(sum(duplicates), 0) AS duplicates,
  coalesce(sum(quarantined), 0) AS quarantined, coalesce(sum(cardinality(gaps)), 0) AS gaps
FROM reports
WHERE from_ts < upto OR first_event_ts < upto
