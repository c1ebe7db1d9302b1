-- What guilds have set about protection becomes settings like all others. The twin for SQLite does
-- the same.

-- What is written between a copy and the end of its table would be lost.
LOCK TABLE protections IN ACCESS EXCLUSIVE MODE;

INSERT INTO guilds (guild_id, created_at, updated_at)
SELECT guild_id, updated_at, updated_at FROM protections WHERE policy IS NOT NULL
ON CONFLICT DO NOTHING;

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'protection_policy', 'server',
    json_build_object('policy', 'server', 'mode', COALESCE(policy::json ->> 'mode', 'dry_run'),
        'answer', COALESCE(policy::json ->> 'answer', 'take_roles'),
        'alert_channel', policy::json ->> 'alert_channel',
        'quarantine_role', policy::json ->> 'quarantine_role')::text,
    updated_at, NULL, updated_at, NULL
FROM protections WHERE policy IS NOT NULL;

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'protection_trust', 'user/' || who,
    json_build_object('who', 'user/' || who)::text, updated_at, NULL::bigint, updated_at, NULL::bigint
FROM protections, json_array_elements_text(policy::json #> '{trusted,users}') AS who
UNION ALL
SELECT guild_id, 'protection_trust', 'role/' || who,
    json_build_object('who', 'role/' || who)::text, updated_at, NULL, updated_at, NULL
FROM protections, json_array_elements_text(policy::json #> '{trusted,roles}') AS who;

-- 4294967295 stood for any number.
INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'protection_limits', kind.key || '/' || who.key,
    json_build_object('limit', kind.key || '/' || who.key,
        'minute', NULLIF((who.value ->> 0)::bigint, 4294967295),
        'hour', NULLIF((who.value ->> 1)::bigint, 4294967295),
        'day', NULLIF((who.value ->> 2)::bigint, 4294967295))::text,
    updated_at, NULL::bigint, updated_at, NULL::bigint
FROM protections, json_each(policy::json -> 'limits') AS kind, json_each(kind.value) AS who
UNION ALL
SELECT guild_id, 'protection_limits', 'points/' || who.key,
    json_build_object('limit', 'points/' || who.key,
        'minute', NULLIF((who.value ->> 0)::bigint, 4294967295),
        'hour', NULLIF((who.value ->> 1)::bigint, 4294967295),
        'day', NULLIF((who.value ->> 2)::bigint, 4294967295))::text,
    updated_at, NULL, updated_at, NULL
FROM protections, json_each(policy::json -> 'points') AS who;

-- Times were milliseconds since the first second of 2015.
INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'protection_maintenance', pause ->> 'actor',
    json_build_object('actor', pause ->> 'actor', 'kinds', pause -> 'kinds',
        'until', to_char(
            to_timestamp(((pause ->> 'until')::bigint + 1420070400000) / 1000) AT TIME ZONE 'UTC',
            'YYYY-MM-DD"T"HH24:MI:SS"Z"'))::text,
    updated_at, NULL, updated_at, NULL
FROM protections, json_array_elements(policy::json -> 'maintenance') AS pause
ON CONFLICT DO NOTHING;

INSERT INTO guild_versions (guild_id, version, changed_at)
SELECT guild_id, 1, updated_at FROM protections WHERE policy IS NOT NULL
ON CONFLICT DO NOTHING;

-- What the anti-nuke engine counted, to go on after a restart.
CREATE TABLE protection_states (
    guild_id   BIGINT PRIMARY KEY,
    state      TEXT NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

INSERT INTO protection_states (guild_id, state, updated_at)
SELECT guild_id, state, updated_at FROM protections WHERE state IS NOT NULL;

DROP TABLE protections;
