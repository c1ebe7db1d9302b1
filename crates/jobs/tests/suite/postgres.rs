//! What only the production database has: runners that take turns at once, a network, old snapshots.

use std::future::pending;
use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::harness::{Effects, LEASE, Scripted, Times, World, create, meanwhile, order};
use serde_json::json;
use splashtail_jobs::{JobError, TaskState, Timing};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnectOptions;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs DATABASE_URL"]
async fn what_a_crash_left_of_a_hundred_tasks_is_done_by_two_others() {
    const STEPS: [&str; 3] = ["plan", "work", "upload"];
    let (world, remove) = World::on_postgres().await;
    let (effects, crashing) = (Effects::default(), Arc::new(AtomicBool::new(true)));
    let (stuck, mut stuck_ones) = mpsc::unbounded_channel();
    let job = {
        let (effects, crashing) = (effects.clone(), crashing.clone());
        Scripted::new(move |cx| {
            let (effects, crashing, stuck) = (effects.clone(), crashing.clone(), stuck.clone());
            Box::pin(async move {
                for step in STEPS {
                    let effect = async {
                        let times = effects.happen(cx.id(), step);
                        if step == "work" && crashing.load(Ordering::SeqCst) {
                            stuck.send(cx.id()).unwrap();
                            pending::<()>().await;
                        }
                        Ok(times)
                    };
                    cx.step(step, || effect).await?;
                }
                Ok(None)
            })
        })
    };
    let engine = || {
        world
            .builder(&world.clock)
            .register(job.clone())
            .capacity(4)
            .build()
    };
    let mut ids = Vec::new();
    for guild in 1..=100 {
        let request = order(json!({"ServerID": guild, "Slot": true}));
        ids.push(engine().create(request).await.unwrap().task_id);
    }
    let first = engine().start(CancellationToken::new());
    let mut left = Vec::new();
    for _ in 0..4 {
        left.push(stuck_ones.recv().await.unwrap());
    }
    first.abort();
    first.await.unwrap_err();
    crashing.store(false, Ordering::SeqCst);

    let others = [(); 2].map(|()| engine().start(CancellationToken::new()));
    for id in ids.iter().filter(|id| !left.contains(id)) {
        world.until_ended(*id).await;
        assert!(effects.of(*id).iter().all(|(_, count)| *count == 1));
    }
    world.pass(LEASE).await;
    for id in left {
        let row = world.until_ended(id).await;
        assert_eq!(row.state, TaskState::Completed);
        let counts = effects.of(id);
        assert!(
            counts.contains(&("plan".to_owned(), 1)),
            "recorded before the crash: {counts:?}"
        );
        assert!(
            counts
                .iter()
                .any(|(step, count)| step == "work" && *count > 1),
            "{counts:?}"
        );
    }
    for other in others {
        other.abort();
    }
    world.storage.close().await;
    remove.await;
}

/// Passes bytes on until it falls silent, with all connections open.
async fn way(own: &PgConnectOptions) -> (SocketAddr, CancellationToken) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (silent, server) = (
        CancellationToken::new(),
        (own.get_host().to_owned(), own.get_port()),
    );
    let silence = silent.clone();
    tokio::spawn(async move {
        while let Ok((mut near, _)) = listener.accept().await {
            let (silence, server) = (silence.clone(), server.clone());
            tokio::spawn(async move {
                let mut far = TcpStream::connect(server).await.unwrap();
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
                    () = silence.cancelled() => pending().await,
                }
            });
        }
    });
    (address, silent)
}

/// The network swallows everything: the engine stops all the same, and another one goes on.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs DATABASE_URL"]
async fn an_engine_stops_although_the_database_has_fallen_silent() {
    let url = std::env::var("DATABASE_URL").expect("DATABASE_URL names a PostgreSQL");
    let (address, silent) = way(&PgConnectOptions::from_str(&url).unwrap()).await;
    let through = |own: PgConnectOptions| own.host("127.0.0.1").port(address.port());
    let (world, remove) = World::on_postgres_through(through).await;
    let (entered, mut entries) = mpsc::unbounded_channel();
    let job = Scripted::new(move |cx| {
        let entered = entered.clone();
        Box::pin(async move {
            entered.send(()).unwrap();
            cx.step("a", pending::<Result<(), JobError>>).await?;
            Ok(None)
        })
    });
    let impatient = Timing {
        deadline: Duration::from_millis(200),
        ..Timing::default()
    };
    let engine = world
        .builder(&world.clock)
        .register(job)
        .timing(impatient)
        .build();
    let shutdown = CancellationToken::new();
    let stopping = engine.start(shutdown.clone());
    create(&engine).await;
    // A busy machine may miss a deadline: the engine looks again.
    meanwhile(&world.clock, entries.recv()).await.unwrap();
    silent.cancel();
    shutdown.cancel();
    meanwhile(&world.clock, stopping).await.unwrap();
    remove.await;
}

/// A look for whatever may run passes all that an old snapshot keeps: orders of this process do not
/// wait for its end.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs DATABASE_URL"]
async fn an_order_begins_while_a_look_takes_long() {
    let (world, remove) = World::on_postgres().await;
    let (began, mut begun) = mpsc::unbounded_channel();
    let job = Scripted::new(move |cx| {
        let began = began.clone();
        Box::pin(async move {
            began.send(cx.id()).unwrap();
            Ok(None)
        })
    });
    let earlier = create(&world.engine(&job)).await;
    let slow = create(&world.engine(&job)).await;
    let Times::Postgres(pool) = &world.times else {
        panic!("not PostgreSQL")
    };
    let mut holding = pool.acquire().await.unwrap();
    let held = format!(
        "SELECT pg_advisory_lock(1); \
         CREATE FUNCTION wait() RETURNS TRIGGER LANGUAGE plpgsql AS \
         'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN NEW; END'; \
         CREATE TRIGGER wait BEFORE UPDATE ON tasks FOR EACH ROW \
         WHEN (NEW.task_id = '{slow}') EXECUTE FUNCTION wait()"
    );
    let held = sqlx::raw_sql(AssertSqlSafe(held));
    held.execute(&mut *holding).await.unwrap();

    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let looking = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted";
    while sqlx::query_scalar::<_, i64>(looking)
        .fetch_one(&mut *holding)
        .await
        .unwrap()
        == 0
    {
        tokio::task::yield_now().await;
    }
    assert_eq!(begun.recv().await, Some(earlier));
    for _ in 0..2 {
        let order = create(&engine).await;
        let first = tokio::time::timeout(Duration::from_secs(30), begun.recv());
        assert_eq!(first.await, Ok(Some(order)));
    }

    let free = sqlx::query("SELECT pg_advisory_unlock(1)");
    free.execute(&mut *holding).await.unwrap();
    assert_eq!(begun.recv().await, Some(slow));
    world.until_ended(slow).await;
    running.abort();
    drop(holding);
    world.storage.close().await;
    remove.await;
}
