-- Settings of guilds: rows whose columns are declared in code, and what was changed, by whom. The
-- twin for SQLite has the same tables and columns.

CREATE TABLE guild_versions (
    guild_id   BIGINT PRIMARY KEY REFERENCES guilds (guild_id) ON DELETE CASCADE,
    -- Rises with every change of the guild's settings: a change is decided on one version.
    version    BIGINT NOT NULL CHECK (version > 0),
    changed_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX guild_versions_by_time ON guild_versions (changed_at);

CREATE TABLE settings (
    guild_id   BIGINT NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    setting    TEXT NOT NULL CHECK (setting <> ''),
    -- The value of the primary key.
    entry      TEXT NOT NULL CHECK (entry <> ''),
    fields     TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    created_by BIGINT,
    updated_at TIMESTAMPTZ NOT NULL,
    updated_by BIGINT,
    PRIMARY KEY (guild_id, setting, entry)
);

CREATE TABLE setting_changes (
    guild_id   BIGINT NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    -- Entries of one version were changed together.
    version    BIGINT NOT NULL,
    setting    TEXT NOT NULL,
    entry      TEXT NOT NULL,
    before     TEXT,
    after      TEXT,
    changed_at TIMESTAMPTZ NOT NULL,
    changed_by BIGINT NOT NULL,
    way        TEXT NOT NULL CHECK (way <> ''),
    -- The version that this one took back.
    undoes     BIGINT,
    PRIMARY KEY (guild_id, version, setting, entry),
    CHECK (before IS NOT NULL OR after IS NOT NULL)
);

-- What is written between a copy and the end of its table would be lost.
LOCK TABLE guild_command_configurations, guild_module_configurations, guild_roles, guild_members
    IN ACCESS EXCLUSIVE MODE;

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'command_configuration', command,
    json_build_object('command', command, 'disabled', disabled, 'perms', perms::json)::text,
    created_at, created_by, last_updated_at, last_updated_by
FROM guild_command_configurations WHERE command <> '';

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT module.guild_id, 'module_configuration', module.module,
    json_build_object('module', module.module, 'disabled', module.disabled,
        'default_perms', module.default_perms::json)::text,
    guild.created_at, NULL, guild.created_at, NULL
FROM guild_module_configurations AS module JOIN guilds AS guild ON guild.guild_id = module.guild_id
WHERE module.module <> '';

INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'guild_roles', role_id::text,
    json_build_object('role_id', role_id::text, 'perms', perms::json, 'index', position,
        'display_name', display_name)::text,
    created_at, created_by, last_updated_at, last_updated_by
FROM guild_roles;

-- Copies of what roles grant are not kept: a member who lost a role kept its permissions.
INSERT INTO settings (guild_id, setting, entry, fields, created_at, created_by, updated_at,
    updated_by)
SELECT guild_id, 'guild_members', user_id::text,
    json_build_object('user_id', user_id::text, 'perm_overrides', perm_overrides::json,
        'public', public)::text,
    created_at, NULL, created_at, NULL
FROM guild_members WHERE perm_overrides <> '[]' OR public;

INSERT INTO guild_versions (guild_id, version, changed_at)
SELECT guild_id, 1, MAX(updated_at) FROM settings GROUP BY guild_id;

DROP TABLE guild_command_configurations;

DROP TABLE guild_module_configurations;

DROP TABLE guild_roles;

DROP TABLE guild_members;
