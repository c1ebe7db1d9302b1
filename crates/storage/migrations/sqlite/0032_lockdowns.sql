-- Locks on servers and channels, and what each of them holds. The twin for PostgreSQL has the same tables
-- and columns.

CREATE TABLE lockdowns (
    guild_id   INTEGER NOT NULL,
    number     INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    -- Of a lock of one channel.
    channel_id INTEGER,
    reason     TEXT NOT NULL,
    created_by INTEGER NOT NULL,
    -- locking, locked, lifting or lifted.
    state      TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,
    PRIMARY KEY (guild_id, number)
) STRICT;

CREATE INDEX lockdowns_under_way ON lockdowns (created_at) WHERE state IN ('locking', 'lifting');
CREATE INDEX lockdowns_by_end ON lockdowns (ended_at) WHERE state = 'lifted';

CREATE TABLE lockdown_holds (
    guild_id INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    -- A channel, or 0 for a role's own permissions.
    place    INTEGER NOT NULL,
    -- The role, or the bot itself.
    subject  INTEGER NOT NULL,
    -- Bits that are to be off, those that were allowed, and those that it denied; as numbers of 64 bits.
    wanted   INTEGER NOT NULL,
    took     INTEGER NOT NULL,
    put      INTEGER NOT NULL,
    -- planned, held, released or refused.
    state    TEXT NOT NULL,
    PRIMARY KEY (guild_id, number, place, subject)
) STRICT;
