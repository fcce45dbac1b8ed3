-- Who deleted it
SELECT event_ts, event_name, actor_root, actor_role, actor_session, via, event_id
FROM cairn.resource_changes
WHERE arn = 'arn:aws:ec2:us-east-1:111122223333:instance/i-0123456789abcdef0' AND effect = 'delete'
ORDER BY version
