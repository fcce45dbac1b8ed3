-- Resources that existed at ${at}, one row per attribute or tag (one row with NULL where there is none).
WITH changes AS (
  SELECT * FROM ${db}.resource_changes WHERE event_ts <= TIMESTAMP '${at}'
),
life AS (
  SELECT resource_key, max_by(type, version) AS type, max_by(arn, version) AS arn,
    max(CASE WHEN effect = 'create' THEN version END) AS born,
    max(CASE WHEN alive THEN version END) AS lives,
    max(CASE WHEN NOT alive THEN version END) AS died,
    max(CASE WHEN tags_replaced THEN version END) AS retagged
  FROM changes GROUP BY resource_key
),
alive_now AS (
  SELECT resource_key, type, arn, coalesce(retagged, '') AS retagged, greatest(coalesce(born, ''), coalesce(died, '')) AS since
  FROM life WHERE died IS NULL OR died < coalesce(lives, '')
),
sets AS (
  SELECT c.resource_key, 'attribute' AS kind, t.name, c.version, c.attributes_set[t.name] AS value
    FROM changes c CROSS JOIN UNNEST(map_keys(c.attributes_set)) AS t(name)
  UNION ALL
  SELECT c.resource_key, 'attribute', t.name, c.version, CAST(NULL AS varchar)
    FROM changes c CROSS JOIN UNNEST(c.attributes_unset) AS t(name)
  UNION ALL
  SELECT c.resource_key, 'tag', t.name, c.version, c.tags_set[t.name]
    FROM changes c CROSS JOIN UNNEST(map_keys(c.tags_set)) AS t(name)
  UNION ALL
  SELECT c.resource_key, 'tag', t.name, c.version, CAST(NULL AS varchar)
    FROM changes c CROSS JOIN UNNEST(c.tags_unset) AS t(name)
),
latest AS (
  SELECT s.resource_key, s.kind, s.name, max(s.version) AS version
  FROM sets s JOIN alive_now a ON a.resource_key = s.resource_key
  WHERE s.version >= a.since AND (s.kind = 'attribute' OR s.version >= a.retagged)
  GROUP BY s.resource_key, s.kind, s.name
),
held AS (
  SELECT s.resource_key, s.kind, s.name, s.value
  FROM latest l JOIN sets s ON s.resource_key = l.resource_key AND s.kind = l.kind AND s.name = l.name AND s.version = l.version
  WHERE s.value IS NOT NULL
)
SELECT a.resource_key, a.type, a.arn, h.kind, h.name, h.value
FROM alive_now a LEFT JOIN held h ON h.resource_key = a.resource_key
ORDER BY 1, 4, 5
