-- An effect that is done, one that may be, and an order of each night.
UPDATE tasks SET item_count = 2 WHERE task_id = '00000000-0000-4000-8000-00000000001a';

INSERT INTO task_items (task_id, seq, name, nonce, what, before, after, outcome, code, note,
    intended_at, settled_at) VALUES
    ('00000000-0000-4000-8000-00000000001a', 1, 'role/1', '00ff00ff00ff00ff', 'role.create Mods',
     'null', '{"id":"1"}', 'done', NULL, NULL, ms(1700000010002), ms(1700000010003)),
    ('00000000-0000-4000-8000-00000000001a', 2, 'role/2', '00ff00ff00ff0100', 'role.create VIPs',
     'null', NULL, 'intended', NULL, NULL, ms(1700000010004), NULL);

INSERT INTO schedules (schedule_id, task_name, data, cron, jitter_ms, catch_up, actor, next_at,
    last_task) VALUES
    ('00000000-0000-4000-8000-000000000001', 'backup', '{"ServerID":"1"}', '0 4 * * *', 3600000,
     TRUE, 'u/1100000000000000010', ms(1700000020000), '00000000-0000-4000-8000-00000000000c');
