-- A token that another one made.
INSERT INTO web_api_tokens (id, token_hash, owner, name, kind, perm_limits, created_at, expires_at,
    last_used_at, maker) VALUES
    ('00000000-0000-4000-8000-000000000005',
     x'0c0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1ecc',
     'u/1100000000000000012', 'its helper', 'api', '["server_backups.list"]', ms(1700000000000),
     ms(4000000000000), NULL, '00000000-0000-4000-8000-000000000004');
