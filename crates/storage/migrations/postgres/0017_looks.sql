-- Tasks that wait and tasks that somebody holds are looked for apart: what an old snapshot keeps of
-- those that ran is not in the way of those that wait. The twin for the other database does the same.

DROP INDEX tasks_to_run;
CREATE INDEX tasks_waiting ON tasks (priority, run_after, created_at)
    WHERE state IN ('pending', 'running') AND requested AND lease_owner IS NULL;
CREATE INDEX tasks_held ON tasks (priority, run_after, created_at)
    WHERE state = 'running' AND requested AND lease_owner IS NOT NULL;
