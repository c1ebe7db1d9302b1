-- A hook with a repository, a rule, and something that was told and something that waits.
INSERT INTO gitlogs_hooks (hook_id, guild_id, comment, secret, created_by, created_at)
VALUES ('00000000-0000-4000-8000-000000000a01', 1100000000001179648, 'ours', x'0102', 1100000000000000010,
    ms(1700000000000));

INSERT INTO gitlogs_repos (repo_id, hook_id, name, channel_id)
VALUES ('00000000-0000-4000-8000-000000000a11', '00000000-0000-4000-8000-000000000a01', 'owner/name',
    1100000000001179700);

INSERT INTO gitlogs_rules (rule_id, hook_id, repo_id, events, act, channel_id, priority)
VALUES ('00000000-0000-4000-8000-000000000a21', '00000000-0000-4000-8000-000000000a01',
    '00000000-0000-4000-8000-000000000a11', '["push"]', 'redirect', 1100000000001179701, 1);

INSERT INTO gitlogs_deliveries (delivery_id, hook_id, digest, event, repo, channel_id, body, state, attempts,
    due_at, outcome, created_at)
VALUES ('00000000-0000-4000-8000-000000000a31', '00000000-0000-4000-8000-000000000a01', 'a', 'push',
    'owner/name', 1100000000001179700, '{}', 'sent', 1, NULL, '', ms(1700000000001));

INSERT INTO gitlogs_deliveries (delivery_id, hook_id, digest, event, repo, channel_id, body, state, attempts,
    due_at, outcome, created_at)
VALUES ('00000000-0000-4000-8000-000000000a32', '00000000-0000-4000-8000-000000000a01', 'b', 'push',
    'owner/name', 1100000000001179700, '{}', 'waiting', 0, ms(1700000000002), NULL, ms(1700000000002));
