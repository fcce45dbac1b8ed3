-- Instances and databases by size, day by day
SELECT substr(snapshot, 1, 10) AS day, type, coalesce(instance_type, class) AS size, count(*) AS n
FROM cairn.resources
WHERE snapshot BETWEEN '2026-02-01T00-00' AND '2026-03-31T00-00' AND snapshot LIKE '%T00-00'
  AND state = 'active' AND type IN ('AWS::EC2::Instance', 'AWS::RDS::DBInstance')
GROUP BY 1, 2, 3
ORDER BY 1, 2, n DESC
