use crate::engine::Sql;
use crate::sql::{after, asked, before, clocked, now};

macro_rules! columns {
    () => {
        "webhook_id, guild_id, name, url, types, secret, seen, off, created_by, \
         created_at, COALESCE(vouched_by, created_by) AS vouched_by"
    };
}

/// Behind everything that has happened before: an address hears of what comes. Where a webhook begins
/// is read under the lock of its guild's events.
pub const ADD: &str = "\
    INSERT INTO webhooks (webhook_id, guild_id, name, url, types, secret, seen, created_by, \
        created_at, vouched_by) \
    SELECT $1, $2, $3, $4, $5, $6, (SELECT COALESCE(MAX(seq), 0) FROM guild_events), $7, $8, $7 \
    WHERE (SELECT COUNT(*) FROM webhooks WHERE guild_id = $2) < $9";

/// Whoever counts last sees all that were added.
pub const LOCK_GUILD: &str = "SELECT pg_advisory_xact_lock(9, hashtext($1))";

pub const OF_GUILD: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM webhooks WHERE guild_id = $1 ORDER BY created_at, webhook_id"
);

pub const ONE: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM webhooks WHERE webhook_id = $1"
);

/// What is NULL stays; an empty `off` switches on. One that is switched on again hears of what comes
/// from then on.
pub const CHANGE: &str = concat!(
    "UPDATE webhooks SET name = COALESCE($3, name), url = COALESCE($4, url), \
        vouched_by = COALESCE($7, vouched_by), types = COALESCE($5, types), \
        off = CASE WHEN $6 IS NULL THEN off ELSE NULLIF($6, '') END, \
        seen = CASE WHEN off IS NOT NULL AND $6 = '' \
            THEN (SELECT COALESCE(MAX(seq), 0) FROM guild_events) ELSE seen END \
    WHERE guild_id = $1 AND webhook_id = $2 RETURNING ",
    columns!()
);

/// An address that is new or on again gets all its tries.
pub const FROM_THE_FIRST: &str = "\
    UPDATE webhook_messages SET attempts = 0 WHERE webhook_id = $1 AND state = 'waiting'";

pub const SWITCH_OFF: &str = "\
    UPDATE webhooks SET off = $3 WHERE webhook_id = $1 AND url = $2 AND off IS NULL \
        AND COALESCE(vouched_by, created_by) = $5 \
        AND NOT EXISTS (SELECT 1 FROM webhook_messages WHERE webhook_messages.webhook_id = $1 \
            AND state = 'delivered' AND tried_at >= $4)";

/// One that cannot be read, so that nobody looks at it again.
pub const PUT_AWAY: &str =
    "UPDATE webhooks SET off = COALESCE(off, $2), turn_at = NULL WHERE webhook_id = $1";

pub const REMOVE: &str = "DELETE FROM webhooks WHERE guild_id = $1 AND webhook_id = $2";

pub const BEHIND: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM webhooks WHERE off IS NULL AND EXISTS (SELECT 1 FROM guild_events \
      WHERE guild_events.guild_id = webhooks.guild_id AND guild_events.seq > webhooks.seen) \
      ORDER BY seen LIMIT $1"
);

pub const MOVE_ON: &str = "UPDATE webhooks SET seen = $3 WHERE webhook_id = $1 AND seen = $2";

macro_rules! say {
    ($engine:ident) => {
        concat!(
            "INSERT INTO webhook_messages (message_id, webhook_id, type, subject, body, state, \
             due_at, created_at) VALUES ($1, $2, $3, $4, $5, 'waiting', ",
            asked!($engine),
            ", $6) ON CONFLICT (webhook_id, type, subject) DO NOTHING"
        )
    };
}

pub const SAY: Sql = clocked!(say);

/// Whoever makes a message due says so to its webhook, whose row they take first: so a look that is
/// under way sees the message, or they come after it.
macro_rules! wake {
    ($engine:ident) => {
        concat!(
            "UPDATE webhooks SET turn_at = ",
            after!($engine, "$2"),
            " WHERE webhook_id = $1 AND (turn_at IS NULL OR turn_at > ",
            after!($engine, "$2"),
            ")"
        )
    };
}

pub const WAKE: Sql = clocked!(wake);

pub const OF_MESSAGE: &str = "SELECT webhook_id FROM webhook_messages WHERE message_id = $1";

/// Whoever says something alone sees what others did.
pub const HOLD: Sql = Sql {
    sqlite: "SELECT webhook_id FROM webhooks WHERE guild_id = $1 AND webhook_id = $2",
    postgres: "SELECT webhook_id FROM webhooks WHERE guild_id = $1 AND webhook_id = $2 FOR UPDATE",
};

pub const WAITS: &str = "\
    SELECT message_id FROM webhook_messages WHERE webhook_id = $1 AND type = $2 \
        AND state = 'waiting' LIMIT 1";

macro_rules! turn {
    ($engine:ident, $address:literal, $texts:literal, $numbers:literal, $end:literal, $lock:literal) => {
        concat!(
            "SELECT ",
            columns!(),
            " FROM webhooks WHERE turn_at <= ",
            asked!($engine),
            " AND ",
            $address,
            $texts,
            "$1",
            $end,
            " AND guild_id",
            $numbers,
            "$2",
            $end,
            " AND guild_id || ' ' || ",
            $address,
            $texts,
            "$3",
            $end,
            " ORDER BY turn_at LIMIT 1",
            $lock
        )
    };
}

/// Whose turn it is, but for addresses, guilds, and addresses of guilds whose share is taken: lists in
/// JSON. An address is read from the URL as [`super::address`] does.
pub const TURN: Sql = Sql {
    sqlite: turn!(
        sqlite,
        "substr(url, 1, 7 + instr(substr(url, 9) || '/', '/'))",
        " NOT IN (SELECT value FROM json_each(",
        " NOT IN (SELECT value FROM json_each(",
        "))",
        ""
    ),
    postgres: turn!(
        postgres,
        "left(url, 7 + strpos(substr(url, 9) || '/', '/'))",
        " <> ALL (ARRAY(SELECT json_array_elements_text(",
        " <> ALL (ARRAY(SELECT value::bigint FROM json_array_elements_text(",
        "::json)))",
        " FOR UPDATE SKIP LOCKED"
    ),
};

macro_rules! take_due {
    ($engine:ident) => {
        concat!(
            "UPDATE webhook_messages SET attempts = attempts + 1, due_at = ",
            after!($engine, "$1"),
            " WHERE message_id = (SELECT message_id FROM webhook_messages WHERE webhook_id = $2 \
                AND due_at <= ",
            asked!($engine),
            " ORDER BY due_at LIMIT 1) RETURNING message_id, body, attempts"
        )
    };
}

pub const TAKE_DUE: Sql = clocked!(take_due);

/// One that has more to send goes behind all others.
macro_rules! next_turn {
    ($engine:ident) => {
        concat!(
            "UPDATE webhooks SET turn_at = (SELECT CASE WHEN MIN(due_at) < ",
            now!($engine),
            " THEN ",
            now!($engine),
            " ELSE MIN(due_at) END FROM webhook_messages \
              WHERE webhook_messages.webhook_id = $1 AND due_at IS NOT NULL) WHERE webhook_id = $1"
        )
    };
}

pub const NEXT_TURN: Sql = clocked!(next_turn);

macro_rules! tried_again {
    ($engine:ident) => {
        concat!(
            "UPDATE webhook_messages SET outcome = $2, status = $3, tried_at = $4, due_at = ",
            after!($engine, "$5"),
            " WHERE message_id = $1 AND state = 'waiting'"
        )
    };
}

pub const TRIED_AGAIN: Sql = clocked!(tried_again);

pub const TRIED: &str = "\
    UPDATE webhook_messages SET outcome = $2, status = $3, tried_at = $4, due_at = NULL, state = $5 \
    WHERE message_id = $1 AND state = 'waiting'";

macro_rules! send_again {
    ($engine:ident) => {
        concat!(
            "UPDATE webhook_messages SET state = 'waiting', attempts = 0, due_at = ",
            asked!($engine),
            " WHERE webhook_id = $1 AND message_id = $2 AND state <> 'waiting'"
        )
    };
}

pub const SEND_AGAIN: Sql = clocked!(send_again);

macro_rules! messages {
    ($limit:literal, $before:literal) => {
        concat!(
            "SELECT message_id, type, subject, body, state, attempts, due_at, outcome, status, \
                created_at, tried_at \
            FROM webhook_messages WHERE webhook_id = $1",
            $before,
            " ORDER BY created_at DESC, message_id DESC LIMIT ",
            $limit
        )
    };
}

pub const MESSAGES: &str = messages!("$2", "");

/// Several may be of one millisecond.
pub const MESSAGES_BEFORE: &str = messages!(
    "$3",
    " AND (created_at, message_id) < (SELECT shown.created_at, shown.message_id \
        FROM webhook_messages AS shown \
        WHERE shown.webhook_id = $1 AND shown.message_id = $2)"
);

macro_rules! purge {
    ($engine:ident) => {
        concat!(
            "DELETE FROM webhook_messages WHERE message_id IN (SELECT message_id \
             FROM webhook_messages WHERE state <> 'waiting' AND created_at < ",
            before!($engine, "$1"),
            " ORDER BY created_at LIMIT $2)"
        )
    };
}

pub const PURGE: Sql = clocked!(purge);
