-- What tasks change in the world, and orders that come again. The twin for PostgreSQL has the same
-- tables and columns.

ALTER TABLE tasks ADD COLUMN item_count INTEGER NOT NULL DEFAULT 0;

CREATE TABLE task_items (
    task_id     TEXT NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    -- The order of the intents, from 1.
    seq         INTEGER NOT NULL,
    name        TEXT NOT NULL,
    nonce       TEXT NOT NULL,
    what        TEXT NOT NULL,
    before      TEXT NOT NULL CHECK (json_valid(before)),
    after       TEXT CHECK (json_valid(after)),
    outcome     TEXT NOT NULL CHECK (outcome IN ('intended', 'done', 'adopted', 'skipped', 'failed')),
    code        TEXT,
    note        TEXT,
    intended_at INTEGER NOT NULL,
    settled_at  INTEGER,
    PRIMARY KEY (task_id, name),
    CHECK ((outcome = 'intended') = (settled_at IS NULL))
) STRICT;

CREATE UNIQUE INDEX task_items_by_seq ON task_items (task_id, seq);

CREATE TABLE schedules (
    schedule_id TEXT PRIMARY KEY,
    task_name   TEXT NOT NULL CHECK (task_name <> ''),
    data        TEXT NOT NULL CHECK (json_valid(data)),
    cron        TEXT NOT NULL,
    jitter_ms   INTEGER NOT NULL CHECK (jitter_ms >= 0),
    catch_up    INTEGER NOT NULL CHECK (catch_up IN (0, 1)),
    actor       TEXT,
    -- NULL: never again.
    next_at     INTEGER,
    last_task   TEXT
) STRICT;

CREATE INDEX schedules_by_time ON schedules (next_at) WHERE next_at IS NOT NULL;
