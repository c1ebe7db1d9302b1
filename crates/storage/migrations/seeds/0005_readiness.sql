-- One that nobody has asked to run yet, and one that is put off.
INSERT INTO tasks (task_id, task_name, owner, fields, encrypted, state, requested, run_after,
    priority, created_at, last_updated) VALUES
    ('00000000-0000-4000-8000-00000000002a', 'restore', 'g/1100000000001179648', '{}', FALSE,
     'pending', FALSE, ms(1700000020000), 1, ms(1700000020000), ms(1700000020000)),
    ('00000000-0000-4000-8000-00000000002b', 'restore', 'g/1100000000001179648', '{}', FALSE,
     'pending', TRUE, ms(4000000000000), 2, ms(1700000020001), ms(1700000020001));
