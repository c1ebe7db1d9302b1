-- A ban that ends and was put off, and one of which nobody knows whether Discord took it.
INSERT INTO cases (guild_id, number, cause, kind, source, target_id, moderator_id, reason, stings,
    stings_until, ends_at, ending, ending_until, fence, void_reason, created_at, line, unsure_until, tries)
VALUES
    (1100000000001179648, 3, 'interaction:3', 'temp_ban', 'command', 1100000000000000014,
     1100000000000000011, 'once more', 1, NULL, ms(1700000200000), 'active', ms(1700000300000), 2, NULL,
     ms(1700000000003), 'ban', NULL, 1),
    (1100000000001179648, 4, 'interaction:4', 'ban', 'command', 1100000000000000013,
     1100000000000000011, 'for good', 1, NULL, NULL, NULL, NULL, 0, NULL, ms(1700000000004), 'ban',
     ms(1700000400000), 0);
