-- Tokens that people make for themselves by logging in, and what a login told about them. The twin
-- for PostgreSQL has the same columns.

-- `operator`: issued on the command line. `login` and `api`: by the person.
ALTER TABLE web_api_tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'operator'
    CHECK (kind IN ('operator', 'login', 'api'));
-- Permissions that it is reduced to; an empty list reduces nothing.
ALTER TABLE web_api_tokens ADD COLUMN perm_limits TEXT NOT NULL DEFAULT '[]'
    CHECK (json_valid(perm_limits));
ALTER TABLE web_api_tokens ADD COLUMN last_used_at INTEGER;

-- Name and picture.
ALTER TABLE users ADD COLUMN profile TEXT CHECK (json_valid(profile));
ALTER TABLE users ADD COLUMN guilds_cache TEXT CHECK (json_valid(guilds_cache));
ALTER TABLE users ADD COLUMN guilds_cached_at INTEGER;
-- Discord's tokens, sealed under the installation's data key.
ALTER TABLE users ADD COLUMN discord_grant BLOB;
