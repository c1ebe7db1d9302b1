-- A server that is known, and a raid on it that was told.
INSERT INTO raid_habits (guild_id, habits, updated_at) VALUES
    (1100000000001179648, '{"streams":{}}', ms(1700000000000));

INSERT INTO raid_waves (guild_id, wave_id, grade, document, alert_channel, alert_message, updated_at)
VALUES
    (1100000000001179648, 1200000000000000000, 'raid', '{"id":"1200000000000000000"}',
     1100000000001179649, 1200000000000000001, ms(1700000000001));
