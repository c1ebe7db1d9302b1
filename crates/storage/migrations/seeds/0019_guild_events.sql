-- A server that has changed, and a schedule that is late.
INSERT INTO guild_events (guild_id, kind, subject, state, at) VALUES
    (1100000000001179648, 'guild', '1100000000001179648', NULL, ms(1700000000005)),
    (1100000000001179648, 'backup_late', '00000000-0000-4000-8000-0000000000e3', NULL, ms(1700000000006));
