-- Locks on servers and channels, and what each of them holds. The twin for SQLite has the same tables
-- and columns.

CREATE TABLE lockdowns (
    guild_id   BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    -- Of a lock of one channel.
    channel_id BIGINT,
    reason     TEXT NOT NULL,
    created_by BIGINT NOT NULL,
    -- locking, locked, lifting or lifted.
    state      TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    ended_at   TIMESTAMPTZ,
    PRIMARY KEY (guild_id, number)
);

CREATE INDEX lockdowns_under_way ON lockdowns (created_at) WHERE state IN ('locking', 'lifting');
CREATE INDEX lockdowns_by_end ON lockdowns (ended_at) WHERE state = 'lifted';

CREATE TABLE lockdown_holds (
    guild_id BIGINT NOT NULL,
    number   BIGINT NOT NULL,
    -- A channel, or 0 for a role's own permissions.
    place    BIGINT NOT NULL,
    -- The role, or the bot itself.
    subject  BIGINT NOT NULL,
    -- Bits that are to be off, those that were allowed, and those that it denied; as numbers of 64 bits.
    wanted   BIGINT NOT NULL,
    took     BIGINT NOT NULL,
    put      BIGINT NOT NULL,
    -- planned, held, released or refused.
    state    TEXT NOT NULL,
    PRIMARY KEY (guild_id, number, place, subject)
);
