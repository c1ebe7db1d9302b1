-- One that is half done and has a deadline.
INSERT INTO tasks (task_id, task_name, owner, fields, encrypted, state, requested, run_after,
    priority, progress, deadline_at, created_at, last_updated) VALUES
    ('00000000-0000-4000-8000-00000000003a', 'restore', 'g/1100000000001179648', '{}', FALSE,
     'running', TRUE, ms(1700000030000), 1,
     '{"what":"messages","done":5,"total":10,"seconds_left":7}', ms(4000000000000),
     ms(1700000030000), ms(1700000030000));
