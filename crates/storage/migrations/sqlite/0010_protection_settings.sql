-- What guilds have set about protection becomes settings like all others. The twin for PostgreSQL
-- does the same.

INSERT INTO guilds (guild_id, created_at, updated_at)
SELECT guild_id, updated_at, updated_at FROM protections WHERE policy IS NOT NULL
ON CONFLICT DO NOTHING;

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'protection_policy', 'server',
    json_object('policy', 'server', 'mode', COALESCE(policy ->> '$.mode', 'dry_run'),
        'answer', COALESCE(policy ->> '$.answer', 'take_roles'),
        'alert_channel', policy ->> '$.alert_channel',
        'quarantine_role', policy ->> '$.quarantine_role'),
    updated_at, NULL, updated_at, NULL
FROM protections WHERE policy IS NOT NULL;

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'protection_trust', 'user/' || who.value, json_object('who', 'user/' || who.value),
    updated_at, NULL, updated_at, NULL
FROM protections, json_each(policy, '$.trusted.users') AS who
UNION ALL
SELECT guild_id, 'protection_trust', 'role/' || who.value, json_object('who', 'role/' || who.value),
    updated_at, NULL, updated_at, NULL
FROM protections, json_each(policy, '$.trusted.roles') AS who;

-- 4294967295 stood for any number.
INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'protection_limits', kind.key || '/' || who.key,
    json_object('limit', kind.key || '/' || who.key,
        'minute', NULLIF(who.value ->> 0, 4294967295),
        'hour', NULLIF(who.value ->> 1, 4294967295),
        'day', NULLIF(who.value ->> 2, 4294967295)),
    updated_at, NULL, updated_at, NULL
FROM protections, json_each(policy, '$.limits') AS kind, json_each(kind.value) AS who
UNION ALL
SELECT guild_id, 'protection_limits', 'points/' || who.key,
    json_object('limit', 'points/' || who.key,
        'minute', NULLIF(who.value ->> 0, 4294967295),
        'hour', NULLIF(who.value ->> 1, 4294967295),
        'day', NULLIF(who.value ->> 2, 4294967295)),
    updated_at, NULL, updated_at, NULL
FROM protections, json_each(policy, '$.points') AS who;

-- Times were milliseconds since the first second of 2015.
INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'protection_maintenance', pause.value ->> '$.actor',
    json_object('actor', pause.value ->> '$.actor', 'kinds', json(pause.value -> '$.kinds'),
        'until', strftime('%Y-%m-%dT%H:%M:%SZ',
            ((pause.value ->> '$.until') + 1420070400000) / 1000, 'unixepoch')),
    updated_at, NULL, updated_at, NULL
FROM protections, json_each(policy, '$.maintenance') AS pause
WHERE TRUE
ON CONFLICT DO NOTHING;

INSERT INTO guild_versions (guild_id, version, changed_at)
SELECT guild_id, 1, updated_at FROM protections WHERE policy IS NOT NULL
ON CONFLICT DO NOTHING;

-- What the anti-nuke engine counted, to go on after a restart.
CREATE TABLE protection_states (
    guild_id   INTEGER PRIMARY KEY,
    state      TEXT NOT NULL CHECK (json_valid(state)),
    updated_at INTEGER NOT NULL
) STRICT;

INSERT INTO protection_states (guild_id, state, updated_at)
SELECT guild_id, state, updated_at FROM protections WHERE state IS NOT NULL;

DROP TABLE protections;
