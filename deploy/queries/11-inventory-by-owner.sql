-- The inventory by owner
SELECT coalesce(owner, '(none)') AS owner, type, count(*) AS n
FROM cairn.resources_current
WHERE state <> 'deleted'
GROUP BY 1, 2
ORDER BY n DESC
