-- A login and a token that its person made.
INSERT INTO users (user_id, state, vote_banned, created_at, updated_at, profile, guilds_cache,
    guilds_cached_at, discord_grant) VALUES
    (1100000000000000012, 'normal', FALSE, ms(1700000000000), ms(1700000000000),
     '{"username":"mila"}', '[]', ms(1700000000001), x'0102');

INSERT INTO web_api_tokens (id, token_hash, owner, name, kind, perm_limits, created_at, expires_at,
    last_used_at) VALUES
    ('00000000-0000-4000-8000-000000000003',
     x'0a0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eaa',
     'u/1100000000000000012', '', 'login', '[]', ms(1700000000000), ms(4000000000000),
     ms(1700000000001)),
    ('00000000-0000-4000-8000-000000000004',
     x'0b0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1ebb',
     'u/1100000000000000012', 'my script', 'api', '["server_backups.list"]', ms(1700000000000),
     ms(4000000000000), NULL);
