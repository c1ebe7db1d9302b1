-- What was done to people, and what is to be taken back by itself. The twin for PostgreSQL has the same
-- tables and columns.

CREATE TABLE cases (
    guild_id     INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    -- Names what brought it about; nothing brings about two.
    cause        TEXT NOT NULL,
    kind         TEXT NOT NULL,
    source       TEXT NOT NULL,
    target_id    INTEGER NOT NULL,
    moderator_id INTEGER,
    reason       TEXT NOT NULL,
    stings       INTEGER NOT NULL,
    stings_until INTEGER,
    -- When it ends by itself.
    ends_at      INTEGER,
    -- Of those that end: active, ending, done or superseded.
    ending       TEXT,
    ending_until INTEGER,
    fence        INTEGER NOT NULL DEFAULT 0,
    void_reason  TEXT,
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (guild_id, number)
) STRICT;

CREATE UNIQUE INDEX cases_by_cause ON cases (guild_id, cause);
CREATE INDEX cases_by_target ON cases (guild_id, target_id, number);
CREATE INDEX cases_that_end ON cases (ends_at) WHERE ending IN ('active', 'ending');

CREATE TABLE case_notes (
    guild_id   INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    author_id  INTEGER NOT NULL,
    note       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (guild_id, number, seq)
) STRICT;
