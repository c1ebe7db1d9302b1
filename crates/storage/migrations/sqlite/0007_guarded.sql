-- What more than one person has to agree to. The twin for PostgreSQL has the same tables and columns.

CREATE TABLE guarded_requests (
    request_id  TEXT PRIMARY KEY,
    guild_id    INTEGER NOT NULL,
    operation   TEXT NOT NULL CHECK (operation <> ''),
    -- What it takes to do it, without secrets.
    arguments   TEXT NOT NULL CHECK (json_valid(arguments)),
    -- What it would do, in words: a list of lines.
    summary     TEXT NOT NULL CHECK (json_valid(summary)),
    -- Of what it would do. It is not done when this has changed.
    digest      TEXT NOT NULL,
    asked_by    INTEGER NOT NULL,
    asked_at    INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    state       TEXT NOT NULL DEFAULT 'open' CHECK (state IN
        ('open', 'running', 'done', 'failed', 'refused', 'withdrawn', 'expired')),
    -- Until when whoever does it has to be done with it, else somebody else goes on.
    run_until   INTEGER,
    -- What came of it, in words.
    outcome     TEXT,
    ended_at    INTEGER,
    -- The message that shows it.
    channel_id  INTEGER,
    message_id  INTEGER
) STRICT;

CREATE INDEX guarded_requests_by_guild ON guarded_requests (guild_id, asked_at);
CREATE INDEX guarded_requests_alive ON guarded_requests (expires_at)
    WHERE state IN ('open', 'running');

CREATE TABLE guarded_answers (
    request_id  TEXT NOT NULL REFERENCES guarded_requests (request_id) ON DELETE CASCADE,
    seq         INTEGER NOT NULL,
    user_id     INTEGER NOT NULL,
    answer      TEXT NOT NULL CHECK (answer <> ''),
    answered_at INTEGER NOT NULL,
    PRIMARY KEY (request_id, seq)
) STRICT;
