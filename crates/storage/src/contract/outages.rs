//! Whatever happens to a connection, the next call works again.

use std::future::Future;
use std::pin::pin;
use std::str::FromStr;
use std::task::{Context, Waker};

use secrecy::ExposeSecret;
use splashtail_core::config::DatabaseTarget;
use splashtail_core::telemetry::Chain;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::contract::setup::{postgres, sqlite};
use crate::engine::query;
use crate::error::{Outage, StorageError};
use crate::setting::NewChange;

contract!(
    an_abandoned_transaction_leaves_nothing_behind,
    calls_that_are_dropped_anywhere_leave_nothing_behind,
);

async fn an_abandoned_transaction_leaves_nothing_behind(storage: Storage) {
    let engine = storage.engine();
    // More often than there are connections.
    for _ in 0..20 {
        let mut tx = engine.begin().await.unwrap();
        let insert = "INSERT INTO guilds (guild_id, created_at, updated_at) VALUES ($1, $2, $2)";
        tx.execute(query(insert).bind(guild(1)).bind(t(0)))
            .await
            .unwrap();
        drop(tx);
    }
    assert!(
        storage.guilds().ensure(guild(1), t(0)).await.unwrap(),
        "undone"
    );
    // A refused statement spoils the transaction, which nobody rolls back.
    for _ in 0..20 {
        let again = storage.settings().write(&change(guild(2))).await;
        assert!(matches!(again, Err(StorageError::Conflict(_))), "{again:?}");
    }
    storage.settings().write(&change(guild(1))).await.unwrap();
}

fn change<'a>(guild: GuildId) -> NewChange<'a> {
    NewChange {
        guild,
        decided_on: 0,
        by: user(1),
        way: "discord",
        at: t(0),
        undoes: None,
        edits: &[],
    }
}

async fn calls_that_are_dropped_anywhere_leave_nothing_behind(storage: Storage) {
    created(&storage, &task(0)).await;
    for steps in 0..40 {
        let order = with_slot(0, 1000 + steps);
        let tasks = storage.tasks();
        {
            let mut call = pin!(tasks.create(&order));
            for _ in 0..steps {
                let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
                if polled.is_ready() {
                    break;
                }
                // Whatever it waits for gets a chance to happen.
                tokio::task::yield_now().await;
                storage.tasks().get(order.id, t(0)).await.unwrap();
            }
        }
        // It happened as a whole or not at all, and the next one works.
        let slot = storage
            .tasks()
            .create(&with_slot(0, 1000 + steps))
            .await
            .unwrap();
        match storage.tasks().get(order.id, t(0)).await.unwrap() {
            Some(_) => assert_eq!(slot, Creation::SlotTaken { by: order.id }),
            None => assert!(matches!(slot, Creation::Created(_)), "{slot:?}"),
        }
    }
    let claimed = claim(&storage).await.unwrap();
    for steps in 0..40 {
        let queue = storage.queue();
        let mut call = pin!(queue.record_step(claimed.lease, "step", "1", t(1)));
        for _ in 0..steps {
            if call
                .as_mut()
                .poll(&mut Context::from_waker(Waker::noop()))
                .is_ready()
            {
                break;
            }
            tokio::task::yield_now().await;
            let (tasks, id) = (storage.tasks(), claimed.lease.task);
            tasks.get(id, t(0)).await.unwrap();
        }
    }
    assert!(
        storage
            .queue()
            .append(claimed.lease, &entry(2, "on"))
            .await
            .unwrap()
    );
}

/// SQLite ends a transaction by itself when there is no room, and the ROLLBACK that follows fails.
#[tokio::test]
async fn a_full_disk_heals_when_there_is_room_again() {
    let database = sqlite().await;
    let storage = &database.storage;
    let held = with_slot(0, 1);
    created(storage, &held).await;
    let claimed = claim(storage).await.unwrap();
    let big = "x".repeat(8000);
    let mut order = task(0);
    order.fields = json!({"text": "x".repeat(50_000)});
    for round in 0..3 {
        no_room(storage).await;
        let full = storage.tasks().create(&order).await;
        assert!(is_full(&full), "{round}: {full:?}");
        no_room(storage).await;
        let extra = Map::from_iter([("big".to_owned(), Value::from(big.clone()))]);
        let entry = NewLogEntry::new(Level::Info, t(20), "much", extra);
        let mut full = Ok(true);
        for _ in 0..20 {
            full = storage.queue().append(claimed.lease, &entry).await;
            if full.is_err() {
                break;
            }
        }
        assert!(is_full(&full), "{round}: {full:?}");
        room(storage).await;
        let fresh = task(i64::from(round));
        created(storage, &fresh).await;
        assert!(storage.queue().append(claimed.lease, &entry).await.unwrap());
        storage.ping().await.unwrap();
    }
    database.remove().await;
}

fn is_full<T>(result: &Result<T, StorageError>) -> bool {
    let Err(StorageError::Unavailable(Outage::Database(error))) = result else {
        return false;
    };
    error.to_string().contains("full")
}

/// As on a full disk, for the connection that writes.
async fn no_room(storage: &Storage) {
    let pages = storage.number("PRAGMA page_count".to_owned()).await;
    storage
        .number(format!("PRAGMA max_page_count = {pages}"))
        .await;
}

async fn room(storage: &Storage) {
    storage
        .number(format!("PRAGMA max_page_count = {}", i32::MAX))
        .await;
}

#[tokio::test]
#[ignore = "needs DATABASE_URL"]
async fn killed_connections_cost_no_read_and_at_most_one_write_each() {
    let database = postgres().await;
    let storage = &database.storage;
    for round in 0..3 {
        fill_pool(storage).await;
        kill_connections(storage).await;
        storage.guilds().exists(guild(1)).await.unwrap();
        fill_pool(storage).await;
        kill_connections(storage).await;
        let mut failed = 0;
        while let Err(error) = storage.guilds().ensure(guild(100 + round), t(0)).await {
            assert!(error.is_unavailable(), "{error:?}");
            failed += 1;
            assert!(failed <= 10, "no more than there were connections");
        }
        created(storage, &task(0)).await;
        assert!(claim(storage).await.is_some());
    }
    database.remove().await;
}

/// As many connections as there may be.
async fn fill_pool(storage: &Storage) {
    let engine = storage.engine();
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(engine.begin().await.unwrap());
    }
    for tx in held {
        tx.rollback().await.unwrap();
    }
}

async fn kill_connections(storage: &Storage) {
    let kill = "SELECT COUNT(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity \
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    storage.number(kill.to_owned()).await;
}

#[tokio::test]
#[ignore = "needs DATABASE_URL"]
async fn an_exhausted_pool_is_said_and_recovers() {
    let database = postgres().await;
    let engine = database.storage.engine();
    let mut held = Vec::new();
    for _ in 0..10 {
        held.push(engine.begin().await.unwrap());
    }
    let refused = database.storage.guilds().exists(guild(1)).await;
    assert!(
        matches!(
            refused,
            Err(StorageError::Unavailable(Outage::NoConnection { .. }))
        ),
        "{refused:?}"
    );
    drop(held);
    database.storage.guilds().exists(guild(1)).await.unwrap();
    database.remove().await;
}

#[tokio::test]
#[ignore = "needs DATABASE_URL"]
async fn the_server_ends_what_takes_too_long() {
    let database = postgres().await;
    let limits = "SELECT COUNT(*) FROM pg_settings WHERE \
        (name = 'statement_timeout' AND setting = '10000') \
        OR (name = 'idle_in_transaction_session_timeout' AND setting = '20000')";
    assert_eq!(database.storage.number(limits.to_owned()).await, 2);
    database.remove().await;
}

/// A server that is there and says nothing, as behind a firewall that forgot the connection.
#[tokio::test]
#[ignore = "needs DATABASE_URL"]
async fn a_server_that_falls_silent_is_said_and_recovers() {
    let database = postgres().await;
    let road = Road::to(&database.target).await;
    let storage = Storage::open(&road.target, &CancellationToken::new())
        .await
        .unwrap();
    let held = with_slot(0, 1);
    created(&storage, &held).await;
    fill_pool(&storage).await;

    road.state.send_replace(Traffic::Stuck);
    let (read, written, migrated, probed) = tokio::join!(
        storage.tasks().get(held.id, t(0)),
        storage.guilds().ensure(guild(1), t(0)),
        storage.migrate(),
        Storage::probe(&road.target),
    );
    for error in [read.err(), written.err(), migrated.err(), probed.err()] {
        let error = error.expect("nothing was answered");
        assert!(error.is_unavailable(), "{error:?}");
        let text = Chain(&error).to_string();
        assert!(
            text.contains("no answer") || text.contains("no connection"),
            "{text}"
        );
    }
    road.state.send_replace(Traffic::Flows);
    assert!(storage.tasks().get(held.id, t(0)).await.unwrap().is_some());
    storage.guilds().ensure(guild(2), t(0)).await.unwrap();
    fill_pool(&storage).await;
    storage.close().await;
    database.remove().await;
}

/// A server that restarts: its connections end, and for a while there is nobody.
#[tokio::test]
#[ignore = "needs DATABASE_URL"]
async fn a_server_that_restarts_is_said_and_recovers() {
    let database = postgres().await;
    let road = Road::to(&database.target).await;
    let storage = Storage::open(&road.target, &CancellationToken::new())
        .await
        .unwrap();
    for round in 0..3 {
        let held = with_slot(round, 1 + round.unsigned_abs());
        created(&storage, &held).await;
        fill_pool(&storage).await;
        road.state.send_replace(Traffic::Away);
        let (tasks, order) = (storage.tasks(), task(0));
        let (read, written, ordered) = tokio::join!(
            tasks.get(held.id, t(0)),
            storage.guilds().ensure(guild(1), t(0)),
            tasks.create(&order),
        );
        for error in [read.err(), written.err(), ordered.err()] {
            let error = error.expect("there was nobody");
            assert!(error.is_unavailable(), "{error:?}");
        }
        road.state.send_replace(Traffic::Flows);
        assert!(tasks.get(held.id, t(0)).await.unwrap().is_some());
        created(&storage, &task(0)).await;
        fill_pool(&storage).await;
    }
    storage.close().await;
    database.remove().await;
}

/// What stands between us and a server.
struct Road {
    target: DatabaseTarget,
    state: watch::Sender<Traffic>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Traffic {
    Flows,
    /// Nothing arrives any more, and nothing is said about it.
    Stuck,
    /// Connections end, and new ones at once.
    Away,
}

impl Road {
    async fn to(target: &DatabaseTarget) -> Self {
        let DatabaseTarget::Postgres(url) = target else {
            panic!("a server")
        };
        let server = PgConnectOptions::from_str(url.expose_secret()).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (state, watched) = watch::channel(Traffic::Flows);
        let behind = (server.get_host().to_owned(), server.get_port());
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(behind.clone()).await.unwrap();
                let mut state = watched.clone();
                tokio::spawn(async move {
                    let ((near_in, near_out), (far_in, far_out)) =
                        (near.into_split(), far.into_split());
                    let there = carry(near_in, far_out, state.clone());
                    let back = carry(far_in, near_out, state.clone());
                    tokio::select! {
                        () = there => {}
                        () = back => {}
                        _ = state.wait_for(|state| *state == Traffic::Away) => {}
                    }
                });
            }
        });
        let here = server.host("127.0.0.1").port(port);
        Self {
            target: DatabaseTarget::Postgres(here.to_url_lossy().to_string().into()),
            state,
        }
    }
}

async fn carry(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<Traffic>,
) {
    let mut buffer = vec![0; 8192];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        let stays = state
            .wait_for(|state| *state == Traffic::Flows)
            .await
            .is_err();
        if stays || to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}
