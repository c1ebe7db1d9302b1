-- A server with limits of its own, and one attack that was stopped.
INSERT INTO protections (guild_id, policy, version, state, updated_at) VALUES
    (1100000000001179648, '{"mode":"on"}', 3, '{"highest":"1"}', ms(1700000000000));

INSERT INTO protection_incidents (guild_id, incident_id, kind, mode, state, document, alert_channel,
    alert_message, updated_at) VALUES
    (1100000000001179648, 1200000000000000000, 'actor', 'on', 'contained', '{"id":"1"}',
     1100000000001179649, 1200000000000000001, ms(1700000000001));
