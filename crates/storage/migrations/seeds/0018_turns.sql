-- An address whose turn it is, and a message that waits for it; and one that a program of before added.
INSERT INTO webhooks (webhook_id, guild_id, name, url, types, secret, seen, off, created_by, created_at,
    turn_at, vouched_by)
VALUES ('00000000-0000-4000-8000-0000000000e2', 1100000000001179648, 'on call', 'https://example.org/hook',
    '["job.finished"]', x'0102', 1, NULL, 1100000000000000010, ms(1700000000000),
    ms(1700000000004), 1100000000000000011);

INSERT INTO webhooks (webhook_id, guild_id, name, url, types, secret, seen, off, created_by, created_at)
VALUES ('00000000-0000-4000-8000-0000000000e4', 1100000000001179648, 'old', 'https://example.org/old',
    '["job.finished"]', x'0102', 1, NULL, 1100000000000000010, ms(1700000000000));

INSERT INTO webhook_messages (message_id, webhook_id, type, subject, body, state, attempts, due_at,
    outcome, status, created_at, tried_at)
VALUES ('00000000-0000-4000-8000-0000000000f2', '00000000-0000-4000-8000-0000000000e2',
    'job.finished', 'a', '{"type":"job.finished"}', 'waiting', 0, ms(1700000000004), NULL, NULL,
    ms(1700000000002), NULL);
