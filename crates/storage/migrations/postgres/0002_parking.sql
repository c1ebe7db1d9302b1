-- What the queue needs to park tasks, to order them and to read their journals in pages. The twin
-- for SQLite has the same tables and columns.

-- Judged by the database's clock alone; run_after stays for the order and for the eye.
ALTER TABLE tasks ADD COLUMN not_before TIMESTAMPTZ;
-- How often it was parked since the last record, and the cause that its log has told.
ALTER TABLE tasks ADD COLUMN parks INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN waits_for TEXT;
-- Lower ones run first.
ALTER TABLE tasks ADD COLUMN priority INTEGER NOT NULL DEFAULT 1 CHECK (priority BETWEEN 0 AND 9);
ALTER TABLE tasks ADD COLUMN parent UUID REFERENCES tasks (task_id) ON DELETE SET NULL;
ALTER TABLE tasks ADD COLUMN actor TEXT;
-- Records so far and the bytes of their outputs.
ALTER TABLE tasks ADD COLUMN step_count BIGINT NOT NULL DEFAULT 0;
ALTER TABLE tasks ADD COLUMN step_bytes BIGINT NOT NULL DEFAULT 0;

DROP INDEX tasks_to_run;
CREATE INDEX tasks_to_run ON tasks (priority, run_after) WHERE state IN ('pending', 'running');
CREATE INDEX tasks_by_parent ON tasks (parent) WHERE parent IS NOT NULL;

-- The order of recording, from 1.
ALTER TABLE task_steps ADD COLUMN seq BIGINT NOT NULL DEFAULT 0;
UPDATE task_steps SET seq = (SELECT COUNT(*) FROM task_steps AS earlier
    WHERE earlier.task_id = task_steps.task_id
      AND (earlier.recorded_at, earlier.step) <= (task_steps.recorded_at, task_steps.step));
UPDATE tasks SET
    step_count = (SELECT COUNT(*) FROM task_steps WHERE task_steps.task_id = tasks.task_id),
    step_bytes = (SELECT COALESCE(SUM(octet_length(output)), 0) FROM task_steps
        WHERE task_steps.task_id = tasks.task_id);
CREATE UNIQUE INDEX task_steps_by_seq ON task_steps (task_id, seq);
