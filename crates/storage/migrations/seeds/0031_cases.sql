-- A warning with stings, a ban that ends, and a note.
INSERT INTO cases (guild_id, number, cause, kind, source, target_id, moderator_id, reason, stings,
    stings_until, ends_at, ending, ending_until, fence, void_reason, created_at)
VALUES
    (1100000000001179648, 1, 'interaction:1', 'timeout', 'command', 1100000000000000013,
     1100000000000000011, 'spam', 1, ms(1800000000000), NULL, NULL, NULL, 0, NULL, ms(1700000000000)),
    (1100000000001179648, 2, 'interaction:2', 'temp_ban', 'command', 1100000000000000014,
     1100000000000000011, 'again', 1, NULL, ms(1700000100000), 'done', NULL, 1, 'a mistake',
     ms(1700000000001));

INSERT INTO case_notes (guild_id, number, seq, author_id, note, created_at)
VALUES (1100000000001179648, 1, 1, 1100000000000000011, 'was warned before', ms(1700000000002));
