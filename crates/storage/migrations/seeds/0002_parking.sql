-- A task that waits, with a journal and a parent.
INSERT INTO tasks (task_id, task_name, owner, fields, encrypted, state, requested, attempts, fence,
    run_after, not_before, parks, waits_for, priority, parent, actor, step_count, step_bytes,
    created_at, last_updated) VALUES
    ('00000000-0000-4000-8000-00000000001a', 'restore', 'g/1100000000001179648', '{}', FALSE,
     'running', TRUE, 0, 4, ms(1700000100000), ms(1700000100000), 3, 'discord_down', 0,
     '00000000-0000-4000-8000-00000000000c', 'u/1100000000000000010', 1, 4,
     ms(1700000010000), ms(1700000010001));

INSERT INTO task_steps (task_id, step, output, recorded_at, seq) VALUES
    ('00000000-0000-4000-8000-00000000001a', 'plan', 'null', ms(1700000010001), 1);
