//! Statements that both databases understand.

macro_rules! task_columns {
    () => {
        "task_id, task_name, owner, fields, encrypted, state, output, requested, attempts, fence, \
         lease_owner, lease_until, run_after, slot_guild, slot_kind, expires_at, created_at, \
         last_updated, log_count"
    };
}
pub(crate) use task_columns;

/// No row: the key was used before.
pub const INSERT_TASK: &str = concat!(
    "INSERT INTO tasks (task_id, task_name, owner, fields, encrypted, state, requested, \
        run_after, slot_guild, slot_kind, client, idempotency, expires_at, created_at, \
        last_updated) \
     VALUES ($1, $2, $3, $4, $5, 'pending', $6, $7, $8, $9, $10, $11, $12, $7, $7) \
     ON CONFLICT (client, task_name, idempotency) WHERE idempotency IS NOT NULL DO NOTHING \
     RETURNING ",
    task_columns!()
);

pub const INSERT_SECRET: &str = "INSERT INTO job_secrets (task_id, wrapped) VALUES ($1, $2)";

pub const GET_TASK: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE task_id = $1 AND (expires_at IS NULL OR expires_at > $2)"
);

/// The first task of a key counts even after it has expired.
pub const REPEATED: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE client = $1 AND task_name = $2 AND idempotency = $3"
);

pub const LIST_TASKS: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE owner = $1 AND (created_at, task_id) < ($2, $3) \
      AND (expires_at IS NULL OR expires_at > $4) AND ($5 IS NULL OR task_name = $5) \
      ORDER BY created_at DESC, task_id DESC LIMIT $6"
);

pub const READ_LOG: &str = "\
    SELECT seq, level, ts, msg, extra FROM task_log \
    WHERE task_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";

pub const COUNT_STATES: &str = "SELECT state, COUNT(*) AS tasks FROM tasks GROUP BY state";

pub const EXPIRED_TASKS: &str = concat!(
    "SELECT ",
    task_columns!(),
    " FROM tasks WHERE expires_at <= $1 AND state IN ('completed', 'failed') \
      ORDER BY expires_at LIMIT $2"
);

pub const ABANDONED_TASKS: &str = "\
    SELECT task_id FROM tasks WHERE state = 'pending' AND NOT requested AND created_at < $1 \
    ORDER BY created_at LIMIT $2";

pub const DELETE_TASK: &str =
    "DELETE FROM tasks WHERE task_id = $1 AND state IN ('completed', 'failed')";

pub const REQUEST_TASK: &str = concat!(
    "UPDATE tasks SET requested = TRUE, run_after = $2, last_updated = $2 WHERE task_id = $1 \
     AND state = 'pending' AND NOT requested RETURNING ",
    task_columns!()
);

/// $2 is the time of the closing entry.
pub const CANCEL_TASK: &str = concat!(
    "UPDATE tasks SET state = 'failed', fence = fence + 1, lease_owner = NULL, \
     lease_until = NULL, log_count = log_count + 1, last_updated = $2 \
     WHERE task_id = $1 AND state IN ('pending', 'running') RETURNING ",
    task_columns!()
);

pub const INSERT_ENTRY: &str = "\
    INSERT INTO task_log (task_id, seq, level, ts, msg, extra) VALUES ($1, $2, $3, $4, $5, $6)";

pub const DELETE_SECRET: &str = "DELETE FROM job_secrets WHERE task_id = $1";

pub const DELETE_STEPS: &str = "DELETE FROM task_steps WHERE task_id = $1";

pub const FREE_SLOT: &str = "DELETE FROM task_slots WHERE task_id = $1";

pub const INSERT_TOKEN: &str = "\
    INSERT INTO web_api_tokens (id, token_hash, owner, name, created_at, expires_at) \
    VALUES ($1, $2, $3, $4, $5, $6)";

pub const FIND_TOKEN: &str = "\
    SELECT id, token_hash, owner, name, created_at, expires_at FROM web_api_tokens \
    WHERE token_hash = $1 AND (expires_at IS NULL OR expires_at > $2)";

pub const LIST_TOKENS: &str = "\
    SELECT id, owner, name, created_at, expires_at FROM web_api_tokens \
    WHERE owner = $1 ORDER BY created_at DESC, id";

pub const REVOKE_TOKEN: &str = "DELETE FROM web_api_tokens WHERE id = $1";

pub const PURGE_TOKENS: &str = "DELETE FROM web_api_tokens WHERE expires_at <= $1";

pub const ENSURE_GUILD: &str = "\
    INSERT INTO guilds (guild_id, created_at, updated_at) VALUES ($1, $2, $2) \
    ON CONFLICT DO NOTHING";

pub const GUILD_EXISTS: &str = "SELECT 1 FROM guilds WHERE guild_id = $1";

pub const ENSURE_USER: &str = "\
    INSERT INTO users (user_id, created_at, updated_at) VALUES ($1, $2, $2) ON CONFLICT DO NOTHING";

pub const GET_USER: &str = "\
    SELECT user_id, state, vote_banned, created_at, updated_at FROM users WHERE user_id = $1";

pub const SET_USER_STATE: &str = "\
    INSERT INTO users (user_id, state, created_at, updated_at) VALUES ($1, $2, $3, $3) \
    ON CONFLICT (user_id) DO UPDATE SET state = excluded.state, updated_at = excluded.updated_at";

pub const COMMANDS: &str = "\
    SELECT command, perms, disabled FROM guild_command_configurations \
    WHERE guild_id = $1 ORDER BY command";

pub const SET_COMMAND: &str = "\
    INSERT INTO guild_command_configurations (id, guild_id, command, perms, disabled, created_at, \
        created_by, last_updated_at, last_updated_by) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $6, $7) \
    ON CONFLICT (guild_id, command) DO UPDATE SET perms = excluded.perms, \
        disabled = excluded.disabled, last_updated_at = excluded.last_updated_at, \
        last_updated_by = excluded.last_updated_by";

pub const MODULES: &str = "\
    SELECT module, disabled, default_perms FROM guild_module_configurations \
    WHERE guild_id = $1 ORDER BY module";

pub const SET_MODULE: &str = "\
    INSERT INTO guild_module_configurations (id, guild_id, module, disabled, default_perms) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (guild_id, module) DO UPDATE SET disabled = excluded.disabled, \
        default_perms = excluded.default_perms";

pub const ROLES: &str = "\
    SELECT role_id, perms, position, display_name FROM guild_roles \
    WHERE guild_id = $1 ORDER BY position";

pub const SET_ROLE: &str = "\
    INSERT INTO guild_roles (id, guild_id, role_id, perms, position, display_name, created_at, \
        created_by, last_updated_at, last_updated_by) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $7, $8) \
    ON CONFLICT (guild_id, role_id) DO UPDATE SET perms = excluded.perms, \
        position = excluded.position, display_name = excluded.display_name, \
        last_updated_at = excluded.last_updated_at, last_updated_by = excluded.last_updated_by";

pub const DELETE_ROLE: &str = "DELETE FROM guild_roles WHERE guild_id = $1 AND role_id = $2";

/// Role ids are stored as a JSON list of decimal strings: the quoted id ($2) occurs in it exactly
/// when the role does. The everyone role, whose id is the guild's, is everybody's.
pub const MARK_MEMBERS: &str = "\
    UPDATE guild_members SET needs_perm_rederive = TRUE WHERE guild_id = $1 \
    AND ($3 OR roles LIKE '%' || $2 || '%')";

pub const MEMBER: &str = "\
    SELECT user_id, roles, perm_overrides, resolved_perms_cache, needs_perm_rederive, public \
    FROM guild_members WHERE guild_id = $1 AND user_id = $2";

pub const CACHE_MEMBER: &str = "\
    INSERT INTO guild_members (guild_id, user_id, roles, resolved_perms_cache, created_at) \
    VALUES ($1, $2, $3, $4, $5) \
    ON CONFLICT (guild_id, user_id) DO UPDATE SET roles = excluded.roles, \
        resolved_perms_cache = excluded.resolved_perms_cache, needs_perm_rederive = FALSE";

pub const SET_OVERRIDES: &str = "\
    INSERT INTO guild_members (guild_id, user_id, perm_overrides, needs_perm_rederive, created_at) \
    VALUES ($1, $2, $3, TRUE, $4) \
    ON CONFLICT (guild_id, user_id) DO UPDATE SET perm_overrides = excluded.perm_overrides, \
        needs_perm_rederive = TRUE";
