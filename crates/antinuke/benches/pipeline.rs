//! The engine against a pipeline that asks a database about every act, in the same run.
//!
//! The pipeline is that of `original`, and nothing is ever hit. SQLite in a temporary directory;
//! PostgreSQL too, when `DATABASE_URL` names a server whose user may create databases. Lines that
//! begin with `|` are the figures.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a bench that cannot go on ends, and its figures are its output"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;
use splashtail_antinuke::{Actor, Engine, Input, Mode, Moment, Policy, TagKey, Windows};
use splashtail_guild::{Id, Structure};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, SqliteConnection};

mod entries;
#[allow(dead_code, reason = "the drills use the rest")]
mod original;

use entries::{START, entries, structure};
use original::{Act, Limit};

const GUILDS: u64 = 100;
const ENTRIES: u64 = 100_000;
/// Acts that go through a database, at most, and for how long.
const ASKED: usize = 20_000;
const LONG_ENOUGH: Duration = Duration::from_secs(10);
/// Actors that are held in memory at the same time, and what the design allows for each.
const ACTORS: u64 = 10_000;
const ACTORS_A_GUILD: u64 = 1_000;

fn read(guild: usize, id: Id, text: &str) -> Act {
    let raw: Value = serde_json::from_str(text).unwrap();
    let number = |key: &str| raw[key].as_str().unwrap().parse().unwrap();
    Act {
        guild: guild as i64,
        actor: number("user_id"),
        kind: raw["action_type"].as_i64().unwrap(),
        target: number("target_id"),
        at: Moment::of(id).0.cast_signed(),
    }
}

macro_rules! pipeline {
    ($name:ident, $prepare:path, $judge:path, $connection:ty) => {
        /// Acts per second through the database.
        async fn $name(connection: &mut $connection, all: &[(usize, Id, String)]) -> f64 {
            // Three limits, which nobody passes: channels made, channels deleted, bans.
            let limits = [10, 12, 22].map(|kind| Limit {
                kind,
                most: 1_000_000,
                length: 3_600_000,
            });
            let guilds = 0..GUILDS.cast_signed();
            $prepare(connection, guilds, &limits).await.unwrap();
            let begun = Instant::now();
            let mut done = 0_u32;
            for (guild, id, text) in all.iter().take(ASKED) {
                let act = read(*guild, *id, text);
                assert!(!$judge(connection, &act).await.unwrap());
                done += 1;
                if begun.elapsed() > LONG_ENOUGH {
                    break;
                }
            }
            f64::from(done) / begun.elapsed().as_secs_f64()
        }
    };
}

pipeline!(
    on_sqlite,
    original::prepare_sqlite,
    original::judge_on_sqlite,
    SqliteConnection
);
pipeline!(
    on_postgres,
    original::prepare_postgres,
    original::judge_on_postgres,
    PgConnection
);

fn main() {
    // As a test it only shows that it works.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let policy = Arc::new(Policy {
        mode: Mode::On,
        ..Policy::default()
    });
    let guilds: Vec<Structure> = (0..GUILDS)
        .map(|n| structure(Id::new(1_000_000 * (n + 1))))
        .collect();
    let all = entries(GUILDS, ENTRIES);
    let (rate, p50, p99) = in_memory(&policy, &guilds, &all);
    println!("\n| From an entry's bytes to a verdict, one core | acts/s | of the engine |");
    println!("|---|---|---|");
    println!("| engine, {GUILDS} servers | {rate:.0} | 1 |");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let show = |what: &str, found: f64| {
        println!("| {what} | {found:.0} | 1 : {:.0} |", rate / found);
    };
    show("pipeline of SQL, SQLite", runtime.block_on(sqlite(&all)));
    match runtime.block_on(postgres(&all)) {
        Some(found) => show("pipeline of SQL, PostgreSQL", found),
        None => println!("without DATABASE_URL PostgreSQL is left out"),
    }
    println!("\n| One verdict | |\n|---|---|");
    println!(
        "| p50 | {:.1} µs |\n| p99 | {:.1} µs |",
        p50 * 1e6,
        p99 * 1e6
    );
    memory(&policy, &guilds);
}

/// Acts per second, and the time of one at p50 and p99.
fn in_memory(
    policy: &Arc<Policy>,
    guilds: &[Structure],
    all: &[(usize, Id, String)],
) -> (f64, f64, f64) {
    let mut engines = engines(policy, guilds);
    let mut times = Vec::with_capacity(all.len());
    let begun = Instant::now();
    for (guild, id, text) in all {
        let one = Instant::now();
        let raw: Value = serde_json::from_str(text).unwrap();
        let input = Input::Entry {
            raw: &raw,
            polled: false,
        };
        let effects = engines[*guild].decide(input, &guilds[*guild], Moment::of(*id));
        std::hint::black_box(effects);
        times.push(one.elapsed().as_secs_f64());
    }
    let rate = all.len() as f64 / begun.elapsed().as_secs_f64();
    times.sort_by(f64::total_cmp);
    (rate, times[times.len() / 2], times[times.len() * 99 / 100])
}

fn engines(policy: &Arc<Policy>, guilds: &[Structure]) -> Vec<Engine> {
    let engine = |g: &Structure| {
        let key = TagKey::new([0; 32]);
        Engine::new(g.id(), Id::new(2), Arc::clone(policy), key)
    };
    guilds.iter().map(engine).collect()
}

async fn sqlite(all: &[(usize, Id, String)]) -> f64 {
    let place = tempfile::tempdir().unwrap();
    let options = SqliteConnectOptions::new()
        .filename(place.path().join("pipeline.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Normal);
    let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
    on_sqlite(&mut connection, all).await
}

async fn postgres(all: &[(usize, Id, String)]) -> Option<f64> {
    let address = std::env::var("DATABASE_URL").ok()?;
    let mut admin = PgConnection::connect(&address).await.unwrap();
    let name = format!("pipeline_{}", std::process::id());
    let create = format!("CREATE DATABASE {name}");
    admin.execute(AssertSqlSafe(create)).await.unwrap();
    let mut own = url::Url::parse(&address).unwrap();
    own.set_path(&name);
    let mut connection = PgConnection::connect(own.as_str()).await.unwrap();
    let rate = on_postgres(&mut connection, all).await;
    connection.close().await.unwrap();
    let drop = format!("DROP DATABASE {name}");
    admin.execute(AssertSqlSafe(drop)).await.unwrap();
    Some(rate)
}

/// What one actor costs who did eight kinds of things, five times each.
fn memory(policy: &Arc<Policy>, guilds: &[Structure]) {
    const KINDS: [u16; 8] = [11, 13, 24, 72, 22, 10, 31, 110];
    let mut engines = engines(policy, guilds);
    let before = resident();
    for n in 0..ACTORS {
        let guild = (n / ACTORS_A_GUILD) as usize;
        for act in 0..40_u64 {
            let at = START + n * 10 + act * 20_000;
            let id = Id::new((at << 22) | (act << 12) | (n & 0xfff));
            let raw = serde_json::json!({"id": id, "action_type": KINDS[(act % 8) as usize],
                "user_id": (700_000 + n).to_string(), "target_id": (9000 + act).to_string(),
                "options": {"count": "1", "channel_id": "7"},
                "changes": [{"key": "nick", "old_value": "a", "new_value": "b"}]});
            let input = Input::Entry {
                raw: &raw,
                polled: true,
            };
            engines[guild].decide(input, &guilds[guild], Moment(START + ACTORS * 10 + 800_000));
        }
    }
    let grown = resident().saturating_sub(before);
    let actors: usize = engines.iter().map(Engine::actor_count).sum();
    let saved = engines[0].save();
    let of = |actor: &Actor| actor.windows.bytes() + size_of::<Actor>() - size_of::<Windows>();
    let most = saved.actors.values().map(of).max().unwrap();
    println!("\n| Memory of one actor with eight types and forty acts | bytes |\n|---|---|");
    println!("| by its parts, the largest | {most} |");
    println!(
        "| by what the process grew, {actors} actors | {} |",
        grown / actors
    );
}

/// Bytes of this process in memory.
fn resident() -> usize {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: usize = pages.split(' ').nth(1).unwrap().parse().unwrap();
    pages * 4096
}
