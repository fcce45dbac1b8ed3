-- Is the hour up to 13:00 complete: covered must be 1 and gaps 0
SELECT
  sum(CASE WHEN coalesce(watermark_from_ts, TIMESTAMP '1970-01-01 00:00:00') < TIMESTAMP '2026-03-01 13:00:00'
    AND watermark_ts >= TIMESTAMP '2026-03-01 13:00:00' THEN hash_share ELSE 0 END) AS covered,
  sum(late) AS late, sum(duplicates) AS duplicates, sum(quarantined) AS quarantined, sum(cardinality(gaps)) AS gaps
FROM cairn.progress
WHERE table_name = 'events' AND dt BETWEEN '2026-03-01' AND '2026-03-02'
