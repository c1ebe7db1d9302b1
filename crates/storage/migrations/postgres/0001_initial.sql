-- Ids of Discord are 64 bit integers. JSON is text, so that the order of keys and the digits of
-- numbers survive. The twin for SQLite has the same tables and columns.

CREATE TABLE guilds (
    guild_id   BIGINT PRIMARY KEY,
    created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE users (
    user_id     BIGINT PRIMARY KEY,
    state       TEXT NOT NULL DEFAULT 'normal' CHECK (state IN ('normal', 'banned')),
    vote_banned BOOLEAN NOT NULL DEFAULT false,
    created_at  TIMESTAMPTZ NOT NULL,
    updated_at  TIMESTAMPTZ NOT NULL
);

CREATE TABLE web_api_tokens (
    id         UUID PRIMARY KEY,
    token_hash BYTEA NOT NULL UNIQUE CHECK (length(token_hash) = 32),
    owner      TEXT NOT NULL CHECK (owner LIKE 'g/%' OR owner LIKE 'u/%'),
    name       TEXT NOT NULL,
    created_at TIMESTAMPTZ NOT NULL,
    expires_at TIMESTAMPTZ
);

CREATE INDEX web_api_tokens_by_owner ON web_api_tokens (owner, created_at);
CREATE INDEX web_api_tokens_by_expiry ON web_api_tokens (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE tasks (
    task_id      UUID PRIMARY KEY,
    task_name    TEXT NOT NULL CHECK (task_name <> ''),
    owner        TEXT NOT NULL CHECK (owner LIKE 'g/%' OR owner LIKE 'u/%'),
    fields       TEXT NOT NULL,
    encrypted    BOOLEAN NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('pending', 'running', 'completed', 'failed')),
    output       TEXT,
    -- Whether somebody asked for it to run.
    requested    BOOLEAN NOT NULL,
    attempts     INTEGER NOT NULL DEFAULT 0,
    -- Rises with each lease: a runner writes only under the latest value.
    fence        BIGINT NOT NULL DEFAULT 0,
    lease_owner  TEXT,
    lease_until  TIMESTAMPTZ,
    run_after    TIMESTAMPTZ NOT NULL,
    slot_guild   BIGINT,
    slot_kind    TEXT,
    client       TEXT,
    idempotency  TEXT CHECK (length(idempotency) BETWEEN 1 AND 64),
    log_count    BIGINT NOT NULL DEFAULT 0,
    expires_at   TIMESTAMPTZ,
    created_at   TIMESTAMPTZ NOT NULL,
    last_updated TIMESTAMPTZ NOT NULL,
    CHECK ((slot_guild IS NULL) = (slot_kind IS NULL)),
    CHECK ((lease_owner IS NULL) = (lease_until IS NULL)),
    CHECK ((client IS NULL) = (idempotency IS NULL))
);

CREATE UNIQUE INDEX tasks_by_idempotency ON tasks (client, task_name, idempotency)
    WHERE idempotency IS NOT NULL;
CREATE INDEX tasks_by_owner ON tasks (owner, created_at DESC, task_id DESC);
CREATE INDEX tasks_by_state ON tasks (state);
CREATE INDEX tasks_to_run ON tasks (run_after) WHERE state IN ('pending', 'running');
CREATE INDEX tasks_by_expiry ON tasks (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE task_log (
    task_id UUID NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    seq     BIGINT NOT NULL,
    level   TEXT NOT NULL CHECK (level IN ('debug', 'info', 'warn', 'error')),
    ts      TIMESTAMPTZ NOT NULL,
    msg     TEXT NOT NULL,
    extra   TEXT NOT NULL,
    PRIMARY KEY (task_id, seq)
);

CREATE TABLE task_steps (
    task_id     UUID NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    step        TEXT NOT NULL,
    output      TEXT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (task_id, step)
);

CREATE TABLE task_slots (
    guild_id   BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    task_id    UUID NOT NULL REFERENCES tasks (task_id) ON DELETE CASCADE,
    -- Set when the task was cancelled under a live runner: nobody works on it from then on.
    free_after TIMESTAMPTZ,
    PRIMARY KEY (guild_id, kind)
);

CREATE INDEX task_slots_by_task ON task_slots (task_id);

CREATE TABLE job_secrets (
    task_id UUID PRIMARY KEY REFERENCES tasks (task_id) ON DELETE CASCADE,
    -- AES-256-GCM under the installation's data key.
    wrapped BYTEA NOT NULL
);

CREATE TABLE guild_command_configurations (
    id              UUID PRIMARY KEY,
    guild_id        BIGINT NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    command         TEXT NOT NULL,
    perms           TEXT,
    disabled        BOOLEAN,
    created_at      TIMESTAMPTZ NOT NULL,
    created_by      BIGINT NOT NULL,
    last_updated_at TIMESTAMPTZ NOT NULL,
    last_updated_by BIGINT NOT NULL,
    UNIQUE (guild_id, command)
);

CREATE TABLE guild_module_configurations (
    id            UUID PRIMARY KEY,
    guild_id      BIGINT NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    module        TEXT NOT NULL,
    disabled      BOOLEAN,
    default_perms TEXT,
    UNIQUE (guild_id, module)
);

-- "index" is a reserved word: the column is position.
CREATE TABLE guild_roles (
    id              UUID PRIMARY KEY,
    guild_id        BIGINT NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    role_id         BIGINT NOT NULL,
    perms           TEXT NOT NULL,
    position        INTEGER NOT NULL,
    display_name    TEXT,
    created_at      TIMESTAMPTZ NOT NULL,
    created_by      BIGINT NOT NULL,
    last_updated_at TIMESTAMPTZ NOT NULL,
    last_updated_by BIGINT NOT NULL,
    UNIQUE (guild_id, role_id),
    UNIQUE (guild_id, position)
);

CREATE TABLE guild_members (
    guild_id             BIGINT NOT NULL REFERENCES guilds (guild_id) ON DELETE CASCADE,
    user_id              BIGINT NOT NULL,
    -- Role ids as decimal strings.
    roles                TEXT NOT NULL DEFAULT '[]',
    perm_overrides       TEXT NOT NULL DEFAULT '[]',
    resolved_perms_cache TEXT NOT NULL DEFAULT '[]',
    needs_perm_rederive  BOOLEAN NOT NULL DEFAULT false,
    public               BOOLEAN NOT NULL DEFAULT false,
    created_at           TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (guild_id, user_id)
);
