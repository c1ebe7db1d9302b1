-- What tasks change in the world, and orders that come again. The twin for SQLite has the same
-- tables and columns.

ALTER TABLE tasks ADD COLUMN item_count BIGINT NOT NULL DEFAULT 0;

CREATE TABLE task_items (
    task_id     UUID NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    -- The order of the intents, from 1.
    seq         BIGINT NOT NULL,
    name        TEXT NOT NULL,
    nonce       TEXT NOT NULL,
    what        TEXT NOT NULL,
    before      TEXT NOT NULL,
    after       TEXT,
    outcome     TEXT NOT NULL CHECK (outcome IN ('intended', 'done', 'adopted', 'skipped', 'failed')),
    code        TEXT,
    note        TEXT,
    intended_at TIMESTAMPTZ NOT NULL,
    settled_at  TIMESTAMPTZ,
    PRIMARY KEY (task_id, name),
    CHECK ((outcome = 'intended') = (settled_at IS NULL))
);

CREATE UNIQUE INDEX task_items_by_seq ON task_items (task_id, seq);

CREATE TABLE schedules (
    schedule_id UUID PRIMARY KEY,
    task_name   TEXT NOT NULL CHECK (task_name <> ''),
    data        TEXT NOT NULL,
    cron        TEXT NOT NULL,
    jitter_ms   BIGINT NOT NULL CHECK (jitter_ms >= 0),
    catch_up    BOOLEAN NOT NULL,
    actor       TEXT,
    -- NULL: never again.
    next_at     TIMESTAMPTZ,
    last_task   UUID
);

CREATE INDEX schedules_by_time ON schedules (next_at) WHERE next_at IS NOT NULL;
