-- A row that was made, changed and made again, and the changes that did it.
INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by) VALUES
    (-1, 'guild_roles', '1100000000001179652',
     '{"role_id":"1100000000001179652","perms":["ünï.*"],"index":7,"display_name":null}',
     ms(1700000000000), 1100000000000000010, ms(1700000000002), 1100000000000000011);

INSERT INTO guild_versions (guild_id, version, changed_at) VALUES (-1, 2, ms(1700000000002));

INSERT INTO setting_changes (guild_id, version, setting, entry, before, after, changed_at,
    changed_by, way, undoes) VALUES
    (-1, 1, 'guild_roles', '1100000000001179652', NULL, '{"index":1}', ms(1700000000000),
     1100000000000000010, 'discord', NULL),
    (-1, 2, 'guild_roles', '1100000000001179652', '{"index":1}', '{"index":7}', ms(1700000000002),
     1100000000000000011, 'rollback', 1);
