-- Who deleted it
SELECT event_ts, event_name, actor_root, actor_role, actor_session, via, event_id
FROM cairn.resource_changes
WHERE arn = 'arn:aws:ec2:eu-west-1:444455556666:vpc-flow-log/fl-08bd76a47e97167ea' AND effect = 'delete'
ORDER BY version
