-- A server that changed once, and how it was before an attack.
INSERT INTO structure_histories (guild_id, base, changes, updated_at) VALUES
    (1100000000001179648, x'28b52ffd', x'', ms(1700000000000));

INSERT INTO incident_pins (guild_id, incident_id, document, updated_at) VALUES
    (1100000000001179648, 1200000000000000000, x'28b52ffd', ms(1700000000001));
