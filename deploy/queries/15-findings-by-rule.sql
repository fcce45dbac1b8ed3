-- Findings by rule and account
SELECT rule_id, rule_title, severity, account_id, account_alias, count(DISTINCT finding_id) AS findings, max(event_ts) AS last
FROM cairn.findings
WHERE dt >= '2026-03-03' AND suppressed_by IS NULL AND NOT staged
GROUP BY 1, 2, 3, 4, 5
ORDER BY findings DESC
