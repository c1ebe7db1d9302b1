-- Grants that nobody's token needs any longer are looked for once a minute.
CREATE INDEX users_with_grant ON users (updated_at) WHERE discord_grant IS NOT NULL;
