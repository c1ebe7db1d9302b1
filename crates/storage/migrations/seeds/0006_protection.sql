-- A server that is protected, one that set all there is, and one attack that was stopped.
INSERT INTO protections (guild_id, policy, version, state, updated_at) VALUES
    (1100000000001179648, '{"mode":"on"}', 3, '{"highest":"1"}', ms(1700000000000)),
    (1100000000005373952, '{"mode":"off","answer":"ban","alert_channel":"30","quarantine_role":"31",
        "trusted":{"users":["7","8"],"roles":["9"]},
        "limits":{"ban":{"bot":[1,2,3],"moderator":[4,5,4294967295]}},
        "points":{"administrator":[10,20,30]},
        "maintenance":[{"actor":"7","kinds":["ban","kick"],"until":345600000000}]}', 9, NULL,
     ms(1700000000003));

INSERT INTO protection_incidents (guild_id, incident_id, kind, mode, state, document, alert_channel,
    alert_message, updated_at) VALUES
    (1100000000001179648, 1200000000000000000, 'actor', 'on', 'contained', '{"id":"1"}',
     1100000000001179649, 1200000000000000001, ms(1700000000001));
