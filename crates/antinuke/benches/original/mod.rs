//! The design of AntiRaid as it was in January 2024, in its best form: its faults are mended (counts by
//! actor, one connection, an index, bans and kicks recorded), and what it could keep in memory it keeps.
//!
//! For each act that leaves the look whether the same actor did the same lately, a row, the server's
//! limits, and one count per limit, in one transaction. Acts of other types it does not see at all.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use splashtail_antinuke::{Column, LimitType, Measure, Moment, NEVER, Policy, UNIT};
use splashtail_guild::Id;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};

const TABLES: &str = "CREATE TABLE limits (guild BIGINT NOT NULL, kind BIGINT NOT NULL, most BIGINT NOT NULL, length BIGINT NOT NULL);
CREATE TABLE acts (guild BIGINT NOT NULL, actor BIGINT NOT NULL, kind BIGINT NOT NULL, target BIGINT NOT NULL, at BIGINT NOT NULL);
CREATE INDEX acts_by_actor ON acts (guild, actor, kind, at);
CREATE INDEX limits_by_guild ON limits (guild);";
const LIMIT: &str = "INSERT INTO limits (guild, kind, most, length) VALUES ($1, $2, $3, $4)";
const AGAIN: &str = "SELECT at FROM acts WHERE guild = $1 AND actor = $2 AND kind = $3 AND target = $4 ORDER BY at DESC LIMIT 1";
const NOTE: &str = "INSERT INTO acts (guild, actor, kind, target, at) VALUES ($1, $2, $3, $4, $5)";
const LIMITS: &str = "SELECT kind, most, length FROM limits WHERE guild = $1";
const COUNT: &str =
    "SELECT count(*) FROM acts WHERE guild = $1 AND actor = $2 AND kind = $3 AND at > $4";
/// The same by the same within so long is one.
const REPEATED_MS: i64 = 2000;
/// Entries of one bulk ban follow each other so closely.
const ONE_CALL_MS: i64 = 10;
const BAN: u64 = 22;
const LENGTHS_MS: [i64; 3] = [60_000, 3_600_000, 86_400_000];
/// What it has limits for.
const TYPES: [LimitType; 12] = [
    LimitType::RoleAdd,
    LimitType::RoleUpdate,
    LimitType::RoleRemove,
    LimitType::RoleGivenToMember,
    LimitType::RoleRemovedFromMember,
    LimitType::MemberRolesUpdated,
    LimitType::ChannelAdd,
    LimitType::ChannelUpdate,
    LimitType::ChannelRemove,
    LimitType::Kick,
    LimitType::Ban,
    LimitType::Unban,
];

/// What the design takes from an entry. `at`: milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act {
    pub guild: i64,
    pub actor: i64,
    pub kind: i64,
    pub target: i64,
    pub at: i64,
}

/// More than `most` acts of a kind within `length` milliseconds are too many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    pub kind: i64,
    pub most: i64,
    pub length: i64,
}

macro_rules! design {
    ($prepare:ident, $judge:ident, $connection:ty) => {
        /// Makes the tables, with these limits for each of the servers.
        ///
        /// # Errors
        /// The database's.
        pub async fn $prepare(
            connection: &mut $connection,
            guilds: impl Iterator<Item = i64>,
            limits: &[Limit],
        ) -> Result<(), sqlx::Error> {
            connection.execute(TABLES).await?;
            for guild in guilds {
                for limit in limits {
                    let put = sqlx::query(LIMIT).bind(guild).bind(limit.kind);
                    let put = put.bind(limit.most).bind(limit.length);
                    put.execute(&mut *connection).await?;
                }
            }
            Ok(())
        }

        /// Puts an act through: whether its actor is beyond a limit of its kind.
        ///
        /// # Errors
        /// The database's.
        pub async fn $judge(connection: &mut $connection, act: &Act) -> Result<bool, sqlx::Error> {
            let mut transaction = connection.begin().await?;
            let again = sqlx::query_scalar::<_, i64>(AGAIN).bind(act.guild);
            let again = again.bind(act.actor).bind(act.kind).bind(act.target);
            let last = again.fetch_optional(&mut *transaction).await?;
            let mut hit = false;
            if last.is_none_or(|last| act.at - last > REPEATED_MS) {
                let note = sqlx::query(NOTE).bind(act.guild).bind(act.actor);
                let note = note.bind(act.kind).bind(act.target).bind(act.at);
                note.execute(&mut *transaction).await?;
                let limits = sqlx::query_as::<_, (i64, i64, i64)>(LIMITS).bind(act.guild);
                for (kind, most, length) in limits.fetch_all(&mut *transaction).await? {
                    let count = sqlx::query_scalar::<_, i64>(COUNT).bind(act.guild);
                    let count = count.bind(act.actor).bind(kind).bind(act.at - length);
                    let count = count.fetch_one(&mut *transaction).await?;
                    hit |= kind == act.kind && count > most;
                }
            }
            transaction.commit().await?;
            Ok(hit)
        }
    };
}

design!(prepare_sqlite, judge_on_sqlite, SqliteConnection);
design!(prepare_postgres, judge_on_postgres, PgConnection);

/// Our default limits for the types that it knows: it had none of its own.
pub fn default_limits(column: Column, members: u64) -> Vec<Limit> {
    let how = Measure {
        column,
        members,
        trusted: false,
        watched: false,
        share: 2,
    };
    let policy = Policy::default();
    let of = |kind: &LimitType| {
        let spans = policy.spans(*kind, how).into_iter().zip(LENGTHS_MS);
        let known = spans.filter(|(most, _)| *most != NEVER);
        let limits = known.map(|(most, length)| Limit {
            kind: *kind as i64,
            most: i64::from(most / UNIT),
            length,
        });
        limits.collect::<Vec<_>>()
    };
    TYPES.iter().flat_map(of).collect()
}

/// An entry of the audit log, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    pub actor: i64,
    pub target: i64,
    pub at: i64,
    /// What it counts as; nothing where the design does not look.
    pub kinds: Vec<LimitType>,
    /// Which call left it, by its number: a bulk ban leaves many.
    pub call: usize,
}

/// Entries of these people in a list of the audit log, the oldest first.
pub fn entries(list: &[Value], people: &[String]) -> Vec<Entry> {
    let theirs = list.iter().filter(|raw| {
        let user = raw["user_id"].as_str();
        user.is_some_and(|user| people.iter().any(|known| known == user))
    });
    let mut theirs: Vec<(Id, &Value)> = theirs
        .filter_map(|raw| Some((Id::read(&raw["id"])?, raw)))
        .collect();
    theirs.sort_by_key(|(id, _)| *id);
    let mut found: Vec<Entry> = Vec::with_capacity(theirs.len());
    let mut last_action = 0;
    for (id, raw) in theirs {
        let number = |key: &str| Id::read(&raw[key]).map_or(0, |id| id.get().cast_signed());
        let (actor, at) = (number("user_id"), Moment::of(id).0.cast_signed());
        let action = raw["action_type"].as_u64().unwrap_or(0);
        let bulk = |last: &Entry| {
            action == BAN && last_action == BAN && last.actor == actor && at - last.at < ONE_CALL_MS
        };
        let call = match found.last() {
            None => 0,
            Some(last) if bulk(last) => last.call,
            Some(last) => last.call + 1,
        };
        last_action = action;
        found.push(Entry {
            actor,
            target: number("target_id"),
            at,
            kinds: kinds(action, raw),
            call,
        });
    }
    found
}

fn kinds(action: u64, raw: &Value) -> Vec<LimitType> {
    let has = |key: &str| {
        let mut changes = raw["changes"].as_array().into_iter().flatten();
        changes.any(|change| change["key"] == key)
    };
    match action {
        10 => vec![LimitType::ChannelAdd],
        11 => vec![LimitType::ChannelUpdate],
        12 => vec![LimitType::ChannelRemove],
        20 => vec![LimitType::Kick],
        BAN => vec![LimitType::Ban],
        23 => vec![LimitType::Unban],
        25 => {
            let given = has("$add").then_some(LimitType::RoleGivenToMember);
            let taken = has("$remove").then_some(LimitType::RoleRemovedFromMember);
            let all = std::iter::once(LimitType::MemberRolesUpdated);
            all.chain(given).chain(taken).collect()
        }
        30 => vec![LimitType::RoleAdd],
        31 => vec![LimitType::RoleUpdate],
        32 => vec![LimitType::RoleRemove],
        _ => Vec::new(),
    }
}

/// What the world around it takes, in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Around {
    /// From an act until its entry arrives.
    pub entry: f64,
    /// From a punishment's sending to Discord's answer.
    pub answer: f64,
}

/// What an attack would have been.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replayed {
    /// Calls that would not have been made any more.
    pub prevented: usize,
    /// Milliseconds of each verdict.
    pub verdicts: Vec<f64>,
}

/// Lets an attack that nothing stopped happen again before the design: entries wait for each other,
/// as on its one connection, and whoever is hit is stopped when Discord has answered. `judge` tells
/// whether an act is a hit, and how long that took; `spared` is whom it cannot punish.
///
/// # Errors
/// Those of `judge`.
pub async fn replay<E>(
    guild: i64,
    attack: &[Entry],
    around: Around,
    spared: Option<i64>,
    mut judge: impl AsyncFnMut(&Act) -> Result<(bool, f64), E>,
) -> Result<Replayed, E> {
    let mut stopped: BTreeMap<i64, f64> = BTreeMap::new();
    let (mut made, mut all) = (BTreeSet::new(), BTreeSet::new());
    let (mut free, mut verdicts) = (0.0_f64, Vec::new());
    for entry in attack {
        all.insert(entry.call);
        let at = entry.at as f64;
        let out = stopped.get(&entry.actor).is_some_and(|when| at > *when);
        if out && !made.contains(&entry.call) {
            continue;
        }
        made.insert(entry.call);
        for kind in &entry.kinds {
            let act = Act {
                guild,
                actor: entry.actor,
                kind: *kind as i64,
                target: entry.target,
                at: entry.at,
            };
            let (hit, took) = judge(&act).await?;
            verdicts.push(took);
            free = free.max(at + around.entry) + took;
            if hit && spared != Some(entry.actor) {
                stopped.entry(entry.actor).or_insert(free + around.answer);
            }
        }
    }
    Ok(Replayed {
        prevented: all.len() - made.len(),
        verdicts,
    })
}
