-- Settings of guilds: rows whose columns are declared in code, and what was changed, by whom. The
-- twin for PostgreSQL has the same tables and columns.

CREATE TABLE guild_versions (
    guild_id   INTEGER PRIMARY KEY REFERENCES guilds (guild_id) ON DELETE CASCADE,
    -- Rises with every change of the guild's settings: a change is decided on one version.
    version    INTEGER NOT NULL CHECK (version > 0),
    changed_at INTEGER NOT NULL
) STRICT;

CREATE INDEX guild_versions_by_time ON guild_versions (changed_at);

CREATE TABLE settings (
    guild_id   INTEGER NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    setting    TEXT NOT NULL CHECK (setting <> ''),
    -- The value of the primary key.
    entry      TEXT NOT NULL CHECK (entry <> ''),
    fields     TEXT NOT NULL CHECK (json_valid(fields)),
    created_at INTEGER NOT NULL,
    created_by INTEGER,
    updated_at INTEGER NOT NULL,
    updated_by INTEGER,
    PRIMARY KEY (guild_id, setting, entry)
) STRICT;

CREATE TABLE setting_changes (
    guild_id   INTEGER NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    -- Entries of one version were changed together.
    version    INTEGER NOT NULL,
    setting    TEXT NOT NULL,
    entry      TEXT NOT NULL,
    before     TEXT CHECK (json_valid(before)),
    after      TEXT CHECK (json_valid(after)),
    changed_at INTEGER NOT NULL,
    changed_by INTEGER NOT NULL,
    way        TEXT NOT NULL CHECK (way <> ''),
    -- The version that this one took back.
    undoes     INTEGER,
    PRIMARY KEY (guild_id, version, setting, entry),
    CHECK (before IS NOT NULL OR after IS NOT NULL)
) STRICT;

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'command_configuration', command,
    json_object('command', command, 'disabled', json(CASE disabled WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END),
        'perms', json(COALESCE(perms, 'null'))),
    created_at, created_by, last_updated_at, last_updated_by
FROM guild_command_configurations WHERE command <> '';

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT module.guild_id, 'module_configuration', module.module,
    json_object('module', module.module, 'disabled', json(CASE module.disabled WHEN 1 THEN 'true' WHEN 0 THEN 'false' ELSE 'null' END),
        'default_perms', json(COALESCE(module.default_perms, 'null'))),
    guild.created_at, NULL, guild.created_at, NULL
FROM guild_module_configurations AS module JOIN guilds AS guild ON guild.guild_id = module.guild_id
WHERE module.module <> '';

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'guild_roles', CAST(role_id AS TEXT),
    json_object('role_id', CAST(role_id AS TEXT), 'perms', json(perms), 'index', position,
        'display_name', display_name),
    created_at, created_by, last_updated_at, last_updated_by
FROM guild_roles;

-- Copies of what roles grant are not kept: a member who lost a role kept its permissions.
INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'guild_members', CAST(user_id AS TEXT),
    json_object('user_id', CAST(user_id AS TEXT), 'perm_overrides', json(perm_overrides),
        'public', json(CASE public WHEN 1 THEN 'true' ELSE 'false' END)),
    created_at, NULL, created_at, NULL
FROM guild_members WHERE perm_overrides <> '[]' OR public;

INSERT INTO guild_versions (guild_id, version, changed_at)
SELECT guild_id, 1, MAX(updated_at) FROM settings GROUP BY guild_id;

DROP TABLE guild_command_configurations;

DROP TABLE guild_module_configurations;

DROP TABLE guild_roles;

DROP TABLE guild_members;
