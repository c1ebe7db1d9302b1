-- Rows of this version, in every table: later migrations are tested on them. One file for both
-- databases: ms(...) is a time, x'...' are bytes. Never changed after its release.

INSERT INTO guilds (guild_id, created_at, updated_at) VALUES
    (1100000000001179648, ms(1700000000000), ms(1700000000001)),
    (-1, ms(0), ms(0));

INSERT INTO users (user_id, state, vote_banned, created_at, updated_at) VALUES
    (1100000000000000010, 'normal', FALSE, ms(1700000000000), ms(1700000000000)),
    (1100000000000000011, 'banned', TRUE, ms(1700000000000), ms(1700000000123));

INSERT INTO web_api_tokens (id, token_hash, owner, name, created_at, expires_at) VALUES
    ('00000000-0000-4000-8000-000000000001',
     x'000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f',
     'g/1100000000001179648', 'for ever', ms(1700000000000), NULL),
    ('00000000-0000-4000-8000-000000000002',
     x'ff0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff',
     'u/1100000000000000010', 'brief', ms(1700000000000), ms(1700000060000));

-- One task of each state, with what each can have.
INSERT INTO tasks (task_id, task_name, owner, fields, encrypted, state, output, requested,
    attempts, fence, lease_owner, lease_until, run_after, slot_guild, slot_kind, client,
    idempotency, log_count, expires_at, created_at, last_updated) VALUES
    ('00000000-0000-4000-8000-00000000000a', 'backup', 'g/1100000000001179648',
     '{"z":1,"a":"ünï ''quoted''"}', FALSE, 'pending', NULL, FALSE,
     0, 0, NULL, NULL, ms(1700000000000), NULL, NULL, NULL,
     NULL, 0, NULL, ms(1700000000000), ms(1700000000000)),
    ('00000000-0000-4000-8000-00000000000b', 'backup', 'g/1100000000001179648',
     '{}', TRUE, 'running', NULL, TRUE,
     2, 3, 'host-1', ms(1700000006000), ms(1700000000000), 1100000000001179648, 'backup', 'bot',
     'key-1', 2, NULL, ms(1700000000001), ms(1700000000002)),
    ('00000000-0000-4000-8000-00000000000c', 'backup', 'u/1100000000000000010',
     '{}', FALSE, 'completed', '{"filename":"backup.iblfile","segregated":false}', TRUE,
     1, 1, NULL, NULL, ms(1700000000000), 1100000000001179648, 'backup', 'api',
     'key-2', 1, ms(1800000000000), ms(1700000000002), ms(1700000000003)),
    ('00000000-0000-4000-8000-00000000000d', 'backup', 'u/1100000000000000010',
     '{}', FALSE, 'failed', NULL, TRUE,
     5, 5, NULL, NULL, ms(1700000000000), NULL, NULL, NULL,
     NULL, 1, ms(1600000000000), ms(1700000000003), ms(1700000000004));

INSERT INTO task_log (task_id, seq, level, ts, msg, extra) VALUES
    ('00000000-0000-4000-8000-00000000000b', 1, 'info', ms(1700000000001), 'begun', '{}'),
    ('00000000-0000-4000-8000-00000000000b', 2, 'warn', ms(1700000000002), 'slow', '{"ms":7}'),
    ('00000000-0000-4000-8000-00000000000c', 1, 'info', ms(1700000000003), 'done', '{}'),
    ('00000000-0000-4000-8000-00000000000d', 1, 'error', ms(1700000000004), 'over', '{}');

INSERT INTO task_steps (task_id, step, output, recorded_at) VALUES
    ('00000000-0000-4000-8000-00000000000b', 'plan', '{"channels":[1,2]}', ms(1700000000001)),
    ('00000000-0000-4000-8000-00000000000b', 'channel/1', 'null', ms(1700000000002));

INSERT INTO task_slots (guild_id, kind, task_id, free_after) VALUES
    (1100000000001179648, 'backup', '00000000-0000-4000-8000-00000000000b', NULL),
    (1100000000005373952, 'backup', '00000000-0000-4000-8000-00000000000d', ms(1700000006000));

INSERT INTO job_secrets (task_id, wrapped) VALUES
    ('00000000-0000-4000-8000-00000000000b', x'00ff00');

INSERT INTO guild_command_configurations (id, guild_id, command, perms, disabled, created_at,
    created_by, last_updated_at, last_updated_by) VALUES
    ('00000000-0000-4000-8000-000000000011', 1100000000001179648, 'backups create',
     '{"var":1}', NULL, ms(1700000000000), 1100000000000000010, ms(1700000000001),
     1100000000000000011),
    ('00000000-0000-4000-8000-000000000012', 1100000000001179648, 'ping',
     NULL, TRUE, ms(1700000000000), 1100000000000000010, ms(1700000000000),
     1100000000000000010);

INSERT INTO guild_module_configurations (id, guild_id, module, disabled, default_perms) VALUES
    ('00000000-0000-4000-8000-000000000021', 1100000000001179648, 'server_backups', FALSE, NULL),
    ('00000000-0000-4000-8000-000000000022', 1100000000001179648, 'core', NULL, '{"var":1}');

INSERT INTO guild_roles (id, guild_id, role_id, perms, position, display_name, created_at,
    created_by, last_updated_at, last_updated_by) VALUES
    ('00000000-0000-4000-8000-000000000031', 1100000000001179648, 1100000000001179650,
     '["global.*"]', 0, 'Head', ms(1700000000000), 1100000000000000010, ms(1700000000000),
     1100000000000000010),
    ('00000000-0000-4000-8000-000000000032', 1100000000001179648, 1100000000001179651,
     '[]', 1, NULL, ms(1700000000000), 1100000000000000010, ms(1700000000000),
     1100000000000000010);

INSERT INTO guild_members (guild_id, user_id, roles, perm_overrides, resolved_perms_cache,
    needs_perm_rederive, public, created_at) VALUES
    (1100000000001179648, 1100000000000000010, '["1100000000001179650"]', '["~global.*"]',
     '["global.*"]', FALSE, TRUE, ms(1700000000000)),
    (1100000000001179648, 1100000000000000011, '[]', '[]', '[]', TRUE, FALSE, ms(0));
