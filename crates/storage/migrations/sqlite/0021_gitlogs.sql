-- What happens in repositories, told in channels. The twin for PostgreSQL has the same tables and
-- columns.

CREATE TABLE gitlogs_hooks (
    hook_id    TEXT PRIMARY KEY,
    guild_id   INTEGER NOT NULL,
    comment    TEXT NOT NULL,
    -- Sealed under the installation's data key.
    secret     BLOB NOT NULL,
    created_by INTEGER NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX gitlogs_hooks_by_guild ON gitlogs_hooks (guild_id, created_at);

CREATE TABLE gitlogs_repos (
    repo_id    TEXT PRIMARY KEY,
    hook_id    TEXT NOT NULL REFERENCES gitlogs_hooks (hook_id) ON DELETE CASCADE,
    -- `owner/name` in small letters.
    name       TEXT NOT NULL,
    channel_id INTEGER NOT NULL,
    UNIQUE (hook_id, name)
) STRICT;

CREATE TABLE gitlogs_rules (
    rule_id    TEXT PRIMARY KEY,
    hook_id    TEXT NOT NULL REFERENCES gitlogs_hooks (hook_id) ON DELETE CASCADE,
    -- NULL: of all.
    repo_id    TEXT REFERENCES gitlogs_repos (repo_id) ON DELETE CASCADE,
    -- Patterns as a JSON list.
    events     TEXT NOT NULL,
    act        TEXT NOT NULL CHECK (act IN ('block', 'only', 'redirect')),
    channel_id INTEGER,
    priority   INTEGER NOT NULL,
    CHECK ((act = 'redirect') = (channel_id IS NOT NULL))
) STRICT;

CREATE INDEX gitlogs_rules_by_hook ON gitlogs_rules (hook_id, priority);
CREATE INDEX gitlogs_rules_by_repo ON gitlogs_rules (repo_id);

CREATE TABLE gitlogs_deliveries (
    -- The order in which a hook's are told.
    seq         INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id TEXT NOT NULL UNIQUE,
    hook_id     TEXT NOT NULL REFERENCES gitlogs_hooks (hook_id) ON DELETE CASCADE,
    -- Of what came: each is told once.
    digest      TEXT NOT NULL,
    event       TEXT NOT NULL,
    repo        TEXT NOT NULL,
    -- NULL: it is told nowhere.
    channel_id  INTEGER,
    -- What is told.
    body        TEXT NOT NULL,
    state       TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'failed', 'passed')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    -- When it is tried next; NULL behind others of its hook, and at the end.
    due_at      INTEGER,
    outcome     TEXT,
    created_at  INTEGER NOT NULL,
    UNIQUE (hook_id, digest),
    CHECK (due_at IS NULL OR state = 'waiting')
) STRICT;

CREATE INDEX gitlogs_deliveries_due ON gitlogs_deliveries (due_at) WHERE due_at IS NOT NULL;
CREATE INDEX gitlogs_deliveries_waiting ON gitlogs_deliveries (hook_id, seq) WHERE state = 'waiting';
CREATE INDEX gitlogs_deliveries_newest ON gitlogs_deliveries (hook_id, seq);
CREATE INDEX gitlogs_deliveries_by_time ON gitlogs_deliveries (created_at);
