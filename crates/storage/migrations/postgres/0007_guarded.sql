-- What more than one person has to agree to. The twin for SQLite has the same tables and columns.

CREATE TABLE guarded_requests (
    request_id  UUID PRIMARY KEY,
    guild_id    BIGINT NOT NULL,
    operation   TEXT NOT NULL CHECK (operation <> ''),
    -- What it takes to do it, without secrets.
    arguments   TEXT NOT NULL,
    -- What it would do, in words: a list of lines.
    summary     TEXT NOT NULL,
    -- Of what it would do. It is not done when this has changed.
    digest      TEXT NOT NULL,
    asked_by    BIGINT NOT NULL,
    asked_at    TIMESTAMPTZ NOT NULL,
    expires_at  TIMESTAMPTZ NOT NULL,
    state       TEXT NOT NULL DEFAULT 'open' CHECK (state IN
        ('open', 'running', 'done', 'failed', 'refused', 'withdrawn', 'expired')),
    -- Until when whoever does it has to be done with it, else somebody else goes on.
    run_until   TIMESTAMPTZ,
    -- What came of it, in words.
    outcome     TEXT,
    ended_at    TIMESTAMPTZ,
    -- The message that shows it.
    channel_id  BIGINT,
    message_id  BIGINT
);

CREATE INDEX guarded_requests_by_guild ON guarded_requests (guild_id, asked_at);
CREATE INDEX guarded_requests_alive ON guarded_requests (expires_at)
    WHERE state IN ('open', 'running');

CREATE TABLE guarded_answers (
    request_id  UUID NOT NULL REFERENCES guarded_requests (request_id) ON DELETE CASCADE,
    seq         BIGINT NOT NULL,
    user_id     BIGINT NOT NULL,
    answer      TEXT NOT NULL CHECK (answer <> ''),
    answered_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (request_id, seq)
);
