-- Times are milliseconds since the epoch, UTC. Ids of Discord are 64 bit integers, UUIDs are
-- hyphenated text, JSON is text. The twin for PostgreSQL has the same tables and columns.

CREATE TABLE guilds (
    guild_id   INTEGER PRIMARY KEY,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    user_id     INTEGER PRIMARY KEY,
    state       TEXT NOT NULL DEFAULT 'normal' CHECK (state IN ('normal', 'banned')),
    vote_banned INTEGER NOT NULL DEFAULT 0 CHECK (vote_banned IN (0, 1)),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL
) STRICT;

CREATE TABLE web_api_tokens (
    id         TEXT PRIMARY KEY,
    token_hash BLOB NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    owner      TEXT NOT NULL CHECK (owner LIKE 'g/%' OR owner LIKE 'u/%'),
    name       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;

CREATE INDEX web_api_tokens_by_owner ON web_api_tokens (owner, created_at);
CREATE INDEX web_api_tokens_by_expiry ON web_api_tokens (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE tasks (
    task_id      TEXT PRIMARY KEY,
    task_name    TEXT NOT NULL CHECK (task_name <> ''),
    owner        TEXT NOT NULL CHECK (owner LIKE 'g/%' OR owner LIKE 'u/%'),
    fields       TEXT NOT NULL CHECK (json_valid(fields)),
    encrypted    INTEGER NOT NULL CHECK (encrypted IN (0, 1)),
    state        TEXT NOT NULL CHECK (state IN ('pending', 'running', 'completed', 'failed')),
    output       TEXT CHECK (json_valid(output)),
    -- Whether somebody asked for it to run.
    requested    INTEGER NOT NULL CHECK (requested IN (0, 1)),
    attempts     INTEGER NOT NULL DEFAULT 0,
    -- Rises with each lease: a runner writes only under the latest value.
    fence        INTEGER NOT NULL DEFAULT 0,
    lease_owner  TEXT,
    lease_until  INTEGER,
    run_after    INTEGER NOT NULL,
    slot_guild   INTEGER,
    slot_kind    TEXT,
    client       TEXT,
    idempotency  TEXT CHECK (length(idempotency) BETWEEN 1 AND 64),
    log_count    INTEGER NOT NULL DEFAULT 0,
    expires_at   INTEGER,
    created_at   INTEGER NOT NULL,
    last_updated INTEGER NOT NULL,
    CHECK ((slot_guild IS NULL) = (slot_kind IS NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK ((client IS NULL) = (idempotency IS NULL))
) STRICT;

CREATE UNIQUE INDEX tasks_by_idempotency ON tasks (client, task_name, idempotency)
    WHERE idempotency IS NOT NULL;
CREATE INDEX tasks_by_owner ON tasks (owner, created_at DESC, task_id DESC);
CREATE INDEX tasks_by_state ON tasks (state);
CREATE INDEX tasks_to_run ON tasks (run_after) WHERE state IN ('pending', 'running');
CREATE INDEX tasks_by_expiry ON tasks (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE task_log (
    task_id TEXT NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    seq     INTEGER NOT NULL,
    level   TEXT NOT NULL CHECK (level IN ('debug', 'info', 'warn', 'error')),
    ts      INTEGER NOT NULL,
    msg     TEXT NOT NULL,
    extra   TEXT NOT NULL CHECK (json_valid(extra)),
    PRIMARY KEY (task_id, seq)
) STRICT, WITHOUT ROWID;

CREATE TABLE task_steps (
    task_id     TEXT NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    step        TEXT NOT NULL,
    output      TEXT NOT NULL CHECK (json_valid(output)),
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (task_id, step)
) STRICT;

CREATE TABLE task_slots (
    guild_id   INTEGER NOT NULL,
    kind       TEXT NOT NULL,
    task_id    TEXT NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    -- Set when the task was cancelled under a live runner: nobody works on it from then on.
    free_after INTEGER,
    PRIMARY KEY (guild_id, kind)
) STRICT;

CREATE INDEX task_slots_by_task ON task_slots (task_id);

CREATE TABLE job_secrets (
    task_id TEXT PRIMARY KEY REFERENCES tasks (task_id) ON DELETE CASCADE,
    -- AES-256-GCM under the installation's data key.
    wrapped BLOB NOT NULL
) STRICT;

CREATE TABLE guild_command_configurations (
    id              TEXT PRIMARY KEY,
    guild_id        INTEGER NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    command         TEXT NOT NULL,
    perms           TEXT CHECK (json_valid(perms)),
    disabled        INTEGER CHECK (disabled IN (0, 1)),
    created_at      INTEGER NOT NULL,
    created_by      INTEGER NOT NULL,
    last_updated_at INTEGER NOT NULL,
    last_updated_by INTEGER NOT NULL,
    UNIQUE (guild_id, command)
) STRICT;

CREATE TABLE guild_module_configurations (
    id            TEXT PRIMARY KEY,
    guild_id      INTEGER NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    module        TEXT NOT NULL,
    disabled      INTEGER CHECK (disabled IN (0, 1)),
    default_perms TEXT CHECK (json_valid(default_perms)),
    UNIQUE (guild_id, module)
) STRICT;

-- "index" is a reserved word: the column is position.
CREATE TABLE guild_roles (
    id              TEXT PRIMARY KEY,
    guild_id        INTEGER NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    role_id         INTEGER NOT NULL,
    perms           TEXT NOT NULL CHECK (json_valid(perms)),
    position        INTEGER NOT NULL,
    display_name    TEXT,
    created_at      INTEGER NOT NULL,
    created_by      INTEGER NOT NULL,
    last_updated_at INTEGER NOT NULL,
    last_updated_by INTEGER NOT NULL,
    UNIQUE (guild_id, role_id),
    UNIQUE (guild_id, position)
) STRICT;

CREATE TABLE guild_members (
    guild_id             INTEGER NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    user_id              INTEGER NOT NULL,
    -- Role ids as decimal strings.
    roles                TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(roles)),
    perm_overrides       TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(perm_overrides)),
    resolved_perms_cache TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(resolved_perms_cache)),
    needs_perm_rederive  INTEGER NOT NULL DEFAULT 0 CHECK (needs_perm_rederive IN (0, 1)),
    public               INTEGER NOT NULL DEFAULT 0 CHECK (public IN (0, 1)),
    created_at           INTEGER NOT NULL,
    PRIMARY KEY (guild_id, user_id)
) STRICT;
