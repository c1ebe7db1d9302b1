-- One that somebody holds.
INSERT INTO tasks (task_id, task_name, owner, fields, encrypted, state, requested, run_after,
    priority, attempts, fence, lease_owner, lease_until, created_at, last_updated) VALUES
    ('00000000-0000-4000-8000-00000000003b', 'restore', 'g/1100000000001179648', '{}', FALSE,
     'running', TRUE, ms(1700000031000), 1, 1, 1, 'gone', ms(1700000037000),
     ms(1700000031000), ms(1700000031000));
