-- An incident that was contained.
INSERT INTO guild_events (guild_id, kind, subject, state, at) VALUES
    (1100000000001179648, 'incident', '1200000000000000000', 'contained', ms(1700000000001));
