-- A server's schedule whose last backup failed.
INSERT INTO schedules (schedule_id, task_name, data, cron, jitter_ms, catch_up, actor, next_at,
    last_task, guild_id, keep_count, keep_days, settled_task, trouble, trouble_at, late_told) VALUES
    ('00000000-0000-4000-8000-000000000801', 'guild_create_backup', '{"z":1,"a":2}', '30 4 * * *',
     600000, TRUE, 'u/1100000000000000010', ms(1700000000000),
     '00000000-0000-4000-8000-00000000000c', 1100000000001179648, 7, 30,
     '00000000-0000-4000-8000-00000000000c', 'It failed.', ms(1700000000000), NULL);
