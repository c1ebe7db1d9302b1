-- An address that is on, and a message that it has got.
INSERT INTO webhooks (webhook_id, guild_id, name, url, types, secret, seen, off, created_by, created_at)
VALUES ('00000000-0000-4000-8000-0000000000e1', 1100000000001179648, 'chat', 'https://example.com/hook',
    '["incident.opened"]', x'0102', 1, NULL, 1100000000000000010, ms(1700000000000));

INSERT INTO webhook_messages (message_id, webhook_id, type, subject, body, state, attempts, due_at,
    outcome, status, created_at, tried_at)
VALUES ('00000000-0000-4000-8000-0000000000f1', '00000000-0000-4000-8000-0000000000e1',
    'incident.opened', '1200000000000000000', '{"type":"incident.opened"}', 'delivered', 1, NULL, '',
    204, ms(1700000000002), ms(1700000000003));
