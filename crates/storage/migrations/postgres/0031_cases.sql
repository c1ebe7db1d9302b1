-- What was done to people, and what is to be taken back by itself. The twin for SQLite has the same
-- tables and columns.

CREATE TABLE cases (
    guild_id     BIGINT NOT NULL,
    number       BIGINT NOT NULL,
    -- Names what brought it about; nothing brings about two.
    cause        TEXT NOT NULL,
    kind         TEXT NOT NULL,
    source       TEXT NOT NULL,
    target_id    BIGINT NOT NULL,
    moderator_id BIGINT,
    reason       TEXT NOT NULL,
    stings       BIGINT NOT NULL,
    stings_until TIMESTAMPTZ,
    -- When it ends by itself.
    ends_at      TIMESTAMPTZ,
    -- Of those that end: active, ending, done or superseded.
    ending       TEXT,
    ending_until TIMESTAMPTZ,
    fence        BIGINT NOT NULL DEFAULT 0,
    void_reason  TEXT,
    created_at   TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (guild_id, number)
);

CREATE UNIQUE INDEX cases_by_cause ON cases (guild_id, cause);
CREATE INDEX cases_by_target ON cases (guild_id, target_id, number);
CREATE INDEX cases_that_end ON cases (ends_at) WHERE ending IN ('active', 'ending');

CREATE TABLE case_notes (
    guild_id   BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    seq        BIGINT NOT NULL,
    author_id  BIGINT NOT NULL,
    note       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (guild_id, number, seq)
);
