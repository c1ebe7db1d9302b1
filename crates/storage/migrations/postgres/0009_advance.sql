-- How far a task is, as its runner told last, and when it is given up. The twin for SQLite has the
-- same columns.

ALTER TABLE tasks ADD COLUMN progress TEXT;
ALTER TABLE tasks ADD COLUMN deadline_at TIMESTAMPTZ;

CREATE INDEX tasks_by_deadline ON tasks (deadline_at)
    WHERE deadline_at IS NOT NULL AND state IN ('pending', 'running');
