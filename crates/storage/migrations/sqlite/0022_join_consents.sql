-- Who may be brought back into which server, and what Discord gave for it. The twin for PostgreSQL has
-- the same tables and columns.

CREATE TABLE join_grants (
    user_id    INTEGER PRIMARY KEY,
    -- Discord's tokens, sealed under the installation's data key.
    sealed     BLOB NOT NULL,
    -- When the access token ends; the refresh token gets another one.
    ends_at    INTEGER NOT NULL,
    -- Another one with each grant: whoever renews one tells which.
    version    INTEGER NOT NULL,
    -- Until then somebody is about to renew it.
    held_until INTEGER,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE join_consents (
    guild_id INTEGER NOT NULL,
    user_id  INTEGER NOT NULL REFERENCES join_grants (user_id) ON DELETE CASCADE,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (guild_id, user_id)
) STRICT;

CREATE INDEX join_consents_by_user ON join_consents (user_id, guild_id);
