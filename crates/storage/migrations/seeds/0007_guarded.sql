-- A restore that one person asked for and another one agreed to.
INSERT INTO guarded_requests (request_id, guild_id, operation, arguments, summary, digest, asked_by,
    asked_at, expires_at, state, run_until, outcome, ended_at, channel_id, message_id) VALUES
    ('00000000-0000-4000-8000-000000000701', 1100000000001179648, 'restore', '{"z":1,"a":2}',
     '["3 channels to delete"]', 'ab12', 1100000000000000010, ms(1700000000000), ms(1700000900000),
     'done', ms(1700000060000), 'Begun.', ms(1700000001000), 1100000000001179649,
     1200000000000000001);

INSERT INTO guarded_answers (request_id, seq, user_id, answer, answered_at) VALUES
    ('00000000-0000-4000-8000-000000000701', 1, 1100000000000000010, 'agree', ms(1700000000000)),
    ('00000000-0000-4000-8000-000000000701', 2, 1100000000000000011, 'agree', ms(1700000000500));
