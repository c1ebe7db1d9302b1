-- One time says from when on a task may run, by the database's clock, and an index ends the look for
-- runnable tasks where the waits begin. The twin for the other database does the same.

UPDATE tasks SET run_after = not_before WHERE not_before IS NOT NULL;
-- Others have it from clocks that may be ahead.
UPDATE tasks SET run_after = date_trunc('milliseconds', clock_timestamp())
    WHERE not_before IS NULL AND run_after > date_trunc('milliseconds', clock_timestamp())
        AND state IN ('pending', 'running');
ALTER TABLE tasks DROP COLUMN not_before;

DROP INDEX tasks_to_run;
CREATE INDEX tasks_to_run ON tasks (priority, run_after, created_at)
    WHERE state IN ('pending', 'running') AND requested;
CREATE INDEX tasks_not_started ON tasks (created_at) WHERE state = 'pending' AND NOT requested;
