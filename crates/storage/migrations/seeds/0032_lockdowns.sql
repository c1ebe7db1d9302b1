-- A lock of one channel that stands, and one of a server that is over.
INSERT INTO lockdowns (guild_id, number, kind, channel_id, reason, created_by, state, created_at, ended_at)
VALUES
    (1100000000001179648, 1, 'traditional', NULL, 'a raid', 1100000000000000011, 'lifted',
     ms(1700000000000), ms(1700000100000)),
    (1100000000001179648, 2, 'channel', 1100000000001179650, 'a quarrel', 1100000000000000011, 'locked',
     ms(1700000000001), NULL);

INSERT INTO lockdown_holds (guild_id, number, place, subject, wanted, took, put, state)
VALUES (1100000000001179648, 2, 1100000000001179650, 1100000000001179648, 2048, 0, 2048, 'held');
