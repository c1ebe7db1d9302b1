-- Tokens that people make for themselves by logging in, and what a login told about them. The twin
-- for SQLite has the same columns.

-- `operator`: issued on the command line. `login` and `api`: by the person.
ALTER TABLE web_api_tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'operator'
    CHECK (kind IN ('operator', 'login', 'api'));
-- Permissions that it is reduced to; an empty list reduces nothing.
ALTER TABLE web_api_tokens ADD COLUMN perm_limits TEXT NOT NULL DEFAULT '[]';
ALTER TABLE web_api_tokens ADD COLUMN last_used_at TIMESTAMPTZ;

-- Name and picture.
ALTER TABLE users ADD COLUMN profile TEXT;
ALTER TABLE users ADD COLUMN guilds_cache TEXT;
ALTER TABLE users ADD COLUMN guilds_cached_at TIMESTAMPTZ;
-- Discord's tokens, sealed under the installation's data key.
ALTER TABLE users ADD COLUMN discord_grant BYTEA;
