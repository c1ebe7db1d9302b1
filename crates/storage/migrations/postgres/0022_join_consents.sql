-- Who may be brought back into which server, and what Discord gave for it. The twin for SQLite has the
-- same tables and columns.

CREATE TABLE join_grants (
    user_id    BIGINT PRIMARY KEY,
    -- Discord's tokens, sealed under the installation's data key.
    sealed     BYTEA NOT NULL,
    -- When the access token ends; the refresh token gets another one.
    ends_at    TIMESTAMPTZ NOT NULL,
    -- Another one with each grant: whoever renews one tells which.
    version    BIGINT NOT NULL,
    -- Until then somebody is about to renew it.
    held_until TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE join_consents (
    guild_id BIGINT NOT NULL,
    user_id  BIGINT NOT NULL REFERENCES join_grants (user_id) ON DELETE CASCADE,
    given_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (guild_id, user_id)
);

CREATE INDEX join_consents_by_user ON join_consents (user_id, guild_id);
