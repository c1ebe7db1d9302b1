//! Effects happen once, whatever kills their runner and whenever.

use std::collections::BTreeMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::harness::{LEASE, STUCK, Scripted, World, create, meanwhile, on_both, order};
use serde_json::json;
use splashtail_core::clock::Clock as _;
use splashtail_jobs::{Intent, JobError, Nonce, Outcome, SecretBytes, TaskState};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

on_both!(
    killed_at_every_boundary_nothing_is_lost_or_done_twice,
    stopped_within_every_call_nothing_is_lost_or_done_twice,
    answers_that_are_lost_are_looked_up,
    whatever_happens_nothing_is_lost_or_done_twice,
    refusals_are_recorded_and_given_again,
    a_skip_ends_what_an_earlier_run_intended,
    a_run_uses_the_name_of_an_effect_once_even_when_it_fails,
);

const EFFECTS: u32 = 50;

/// What a call does to the world, and to its caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    /// The answer was lost on its way.
    DoneUnheard,
    /// The request was.
    LostUnheard,
    Away,
    /// The process dies, before and after.
    DiesBefore,
    DiesAfter,
    /// The engine is asked to stop meanwhile.
    Drained,
}

/// A server full of objects that are made, never replaced: what is done twice is there twice.
#[derive(Clone, Default)]
struct Server(Arc<Mutex<Vec<(String, String)>>>);

impl Server {
    fn make(&self, name: &str, nonce: &Nonce) -> String {
        let mut made = self.0.lock().unwrap();
        made.push((name.to_owned(), nonce.to_string()));
        format!("object {}", made.len())
    }

    fn find(&self, nonce: &Nonce) -> Option<String> {
        let made = self.0.lock().unwrap();
        let place = made.iter().position(|(_, by)| by == nonce.as_str())?;
        Some(format!("object {}", place + 1))
    }

    fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (name, _) in &*self.0.lock().unwrap() {
            *counts.entry(name.clone()).or_default() += 1;
        }
        counts
    }
}

/// Decides the fate of each call in turn; the rest is done.
#[derive(Clone)]
struct Fates(Arc<Mutex<Vec<Fate>>>);

impl Fates {
    /// First ones last.
    fn new(mut fates: Vec<Fate>) -> Self {
        fates.reverse();
        Self(Arc::new(Mutex::new(fates)))
    }

    /// From a seed, by xorshift.
    fn random(mut seed: u64, calls: usize) -> Self {
        let all = [
            Fate::Done,
            Fate::DoneUnheard,
            Fate::LostUnheard,
            Fate::Away,
            Fate::DiesBefore,
            Fate::DiesAfter,
            Fate::Drained,
        ];
        let fate = |_| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            all[usize::try_from(seed % 7).unwrap()]
        };
        Self::new((0..calls).map(fate).collect())
    }

    fn next(&self) -> Fate {
        self.0.lock().unwrap().pop().unwrap_or(Fate::Done)
    }
}

/// Makes its objects; tells when its process shall die or its engine stop.
fn restoring(server: &Server, fates: &Fates) -> (Scripted, mpsc::UnboundedReceiver<Fate>) {
    let (told, tells) = mpsc::unbounded_channel();
    let (server, fates) = (server.clone(), fates.clone());
    let job = Scripted::new(move |cx| {
        let (server, fates, told) = (server.clone(), fates.clone(), told.clone());
        Box::pin(async move {
            for n in 0..EFFECTS {
                let name = format!("role/{n:02}");
                let act = async |nonce: Nonce| {
                    let fate = fates.next();
                    let unheard = || JobError::ambiguous("timeout", "No answer came");
                    match fate {
                        Fate::Done => Ok(server.make(&name, &nonce)),
                        Fate::DoneUnheard => {
                            server.make(&name, &nonce);
                            Err(unheard())
                        }
                        Fate::LostUnheard => Err(unheard()),
                        Fate::Away => Err(JobError::transient("away", "Discord is away")),
                        Fate::DiesBefore => {
                            told.send(fate).unwrap();
                            pending().await
                        }
                        Fate::DiesAfter => {
                            server.make(&name, &nonce);
                            told.send(fate).unwrap();
                            pending().await
                        }
                        Fate::Drained => {
                            told.send(fate).unwrap();
                            cx.stopping().cancelled().await;
                            Ok(server.make(&name, &nonce))
                        }
                    }
                };
                let find = async |nonce: Nonce| Ok(server.find(&nonce));
                let intent = Intent::new(format!("make {name}")).before(json!(n));
                cx.effect(&name, intent, act, find).await?;
            }
            Ok(None)
        })
    });
    (job, tells)
}

/// Runs a task to its end, with as many processes as it takes.
async fn survive(world: &World, fates: Fates) {
    let server = Server::default();
    let (job, mut tells) = restoring(&server, &fates);
    let id = create(&world.engine(&job)).await;
    loop {
        let shutdown = CancellationToken::new();
        let mut engine = world.engine(&job).start(shutdown.clone());
        let fate = loop {
            let parked = world.until(id, |row| {
                row.state.is_terminal() || row.lease_owner.is_none()
            });
            tokio::select! {
                biased;
                fate = tells.recv() => break fate,
                row = parked => {
                    if row.state.is_terminal() {
                        break None;
                    }
                    world.pass(Duration::from_secs(600)).await;
                }
                // A last look of a process that is gone took it after its time.
                () = world.clock.sleep(STUCK) => world.pass(LEASE).await,
            }
        };
        match fate {
            None => {
                engine.abort();
                break;
            }
            Some(Fate::Drained) => {
                shutdown.cancel();
                meanwhile(&world.clock, &mut engine).await.unwrap();
            }
            Some(_) => {
                engine.abort();
                engine.await.unwrap_err();
                world.pass(LEASE).await;
            }
        }
    }
    assert_eq!(
        world.row(id).await.state,
        TaskState::Completed,
        "{:?}",
        world.log(id).await
    );
    let counts = server.counts();
    assert_eq!(counts.len(), EFFECTS as usize, "nothing is lost");
    assert!(counts.values().all(|count| *count == 1), "{counts:?}");

    // The ledger outlives the run and tells the same.
    let items = world.storage.ledger().items(id, 0, 1000).await.unwrap();
    assert_eq!(items.len(), EFFECTS as usize);
    for (n, item) in (0..).zip(&items) {
        assert_eq!(
            (item.what.as_str(), &item.before),
            (&*format!("make role/{n:02}"), &json!(n))
        );
        assert!(matches!(item.outcome, Outcome::Done | Outcome::Adopted));
        let made = server.find(&Nonce::from(item)).unwrap();
        assert_eq!(item.after.as_deref(), Some(&*json!(made).to_string()));
    }
}

/// Each effect's process is killed before its act, and the next one's after it.
async fn killed_at_every_boundary_nothing_is_lost_or_done_twice(world: World) {
    let fates = (0..EFFECTS).flat_map(|_| [Fate::DiesBefore, Fate::DiesAfter]);
    survive(&world, Fates::new(fates.collect())).await;
}

async fn stopped_within_every_call_nothing_is_lost_or_done_twice(world: World) {
    survive(&world, Fates::new(vec![Fate::Drained; EFFECTS as usize])).await;
}

async fn answers_that_are_lost_are_looked_up(world: World) {
    let fates = (0..EFFECTS).flat_map(|_| [Fate::LostUnheard, Fate::Away, Fate::DoneUnheard]);
    survive(&world, Fates::new(fates.collect())).await;
}

async fn whatever_happens_nothing_is_lost_or_done_twice(world: World) {
    for seed in [1, 0x5eed, 0xdead_beef, u64::MAX] {
        survive(&world, Fates::random(seed, 150)).await;
    }
}

/// Permanent refusals are part of the ledger, and the job decides what they mean.
async fn refusals_are_recorded_and_given_again(world: World) {
    let (told, mut tells) = mpsc::unbounded_channel();
    let job = Scripted::new(move |cx| {
        let told = told.clone();
        Box::pin(async move {
            let refuse = async |_| {
                told.send("called").unwrap();
                Err::<(), _>(JobError::permanent("missing_access", "The bot may not"))
            };
            let intent = Intent::new("edit a channel");
            let refused = cx.effect("a", intent, refuse, async |_| Ok(None)).await;
            assert_eq!(refused.unwrap_err().code(), "missing_access");
            cx.skip(
                "b",
                Intent::new("edit another"),
                "protected",
                "It is protected",
            )
            .await?;
            if cx.attempt() == 1 {
                return Err(JobError::transient("away", "Discord is away"));
            }
            Ok(None)
        })
    });
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    assert_eq!(
        world.until_ended_with_retries(id).await.state,
        TaskState::Completed
    );
    assert_eq!(tells.try_recv(), Ok("called"));
    assert!(
        tells.try_recv().is_err(),
        "a refusal is not asked for again"
    );
    let items = world.storage.ledger().items(id, 0, 9).await.unwrap();
    let outcomes: Vec<_> = items
        .iter()
        .map(|item| (item.outcome, item.code.as_deref()))
        .collect();
    let expected = [
        (Outcome::Failed, Some("missing_access")),
        (Outcome::Skipped, Some("protected")),
    ];
    assert_eq!(outcomes, expected);
    running.abort();
}

/// A run that was stopped between an intent and its end leaves it open for no longer than the next.
async fn a_skip_ends_what_an_earlier_run_intended(world: World) {
    let job = Scripted::new(move |cx| {
        Box::pin(async move {
            let intent = || Intent::new("edit a channel");
            if cx.attempt() == 1 {
                let away = async |_| Err::<(), _>(JobError::transient("away", "Discord is away"));
                cx.effect("a", intent(), away, async |_| Ok(None)).await?;
            }
            cx.skip("a", intent(), "protected", "It is protected")
                .await?;
            Ok(None)
        })
    });
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    let ended = world.until_ended_with_retries(id).await;
    assert_eq!(ended.state, TaskState::Completed);
    let items = world.storage.ledger().items(id, 0, 9).await.unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!(
        (items[0].outcome, items[0].code.as_deref()),
        (Outcome::Skipped, Some("protected"))
    );
    running.abort();
}

/// A job within a job: the same names, apart.
#[tokio::test]
async fn a_job_can_contain_another() {
    async fn inner(cx: &splashtail_jobs::JobContext) -> Result<u64, JobError> {
        let fields: serde_json::Value = cx.fields()?;
        cx.step("plan", async || Ok(fields["value"].as_u64().unwrap_or(0)))
            .await
    }
    let world = World::new().await;
    let job = Scripted::new(|cx| {
        Box::pin(async move {
            let outer: u64 = cx.step("plan", async || Ok(1)).await?;
            let safety = inner(&cx.scope("safety", json!({"value": 10}))).await?;
            let second = inner(&cx.scope("second", json!({"value": 100}))).await?;
            let nested = cx
                .scope("safety", json!({}))
                .scope("deep", json!({"value": 1000}));
            let deep = inner(&nested).await?;
            assert_eq!(outer + safety + second + deep, 1111);
            Ok(None)
        })
    });
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    assert_eq!(world.until_ended(id).await.state, TaskState::Completed);
    running.abort();
}

/// What a step makes of a secret survives a crash, and nobody reads it in the database.
#[tokio::test]
async fn recorded_secrets_are_wrapped() {
    const WEBHOOK: &str = "webhook-token-of-channel-five";
    let world = World::new().await;
    let (told, mut tells) = mpsc::unbounded_channel();
    let job = Scripted::new(move |cx| {
        let told = told.clone();
        Box::pin(async move {
            let made = async || Ok(SecretBytes::from(WEBHOOK.as_bytes().to_vec()));
            let token = if cx.attempt() == 1 {
                cx.secret_step("webhook", made).await?
            } else {
                cx.secret_step("webhook", async || Err(JobError::fault("not again")))
                    .await?
            };
            assert_eq!(token.as_ref(), WEBHOOK.as_bytes());
            told.send(()).unwrap();
            if cx.attempt() == 1 {
                pending::<()>().await;
            }
            Ok(None)
        })
    });
    let engine = world.engine(&job);
    let crashing = engine.start(CancellationToken::new());
    let id = engine
        .create(order(json!({"ServerID": 1})))
        .await
        .unwrap()
        .task_id;
    tells.recv().await.unwrap();
    crashing.abort();
    crashing.await.unwrap_err();
    let files = std::fs::read_dir(world.directory.path()).unwrap();
    for file in files {
        let content = std::fs::read(file.unwrap().path()).unwrap();
        assert!(!String::from_utf8_lossy(&content).contains(WEBHOOK));
    }
    world.pass(LEASE).await;
    let second = world.engine(&job).start(CancellationToken::new());
    assert_eq!(world.until_ended(id).await.state, TaskState::Completed);
    second.abort();
}

/// A call whose answer was lost may have taken place: the same run does not make it again.
async fn a_run_uses_the_name_of_an_effect_once_even_when_it_fails(world: World) {
    let server = Server::default();
    let job = {
        let server = server.clone();
        Scripted::new(move |cx| {
            let server = server.clone();
            Box::pin(async move {
                let act = async |nonce: Nonce| {
                    server.make("role", &nonce);
                    Err::<String, _>(JobError::transient("away", "The answer was lost"))
                };
                let find = async |nonce: Nonce| Ok(server.find(&nonce));
                let intent = || Intent::new("role.create");
                for _ in 0..2 {
                    match cx.effect("role", intent(), act, find).await {
                        Err(error) if error.code() == "away" => {}
                        other => return other.map(|_| None),
                    }
                }
                Ok(None)
            })
        })
    };
    let engine = world.engine(&job);
    let running = engine.start(CancellationToken::new());
    let id = create(&engine).await;
    assert_eq!(world.until_ended(id).await.state, TaskState::Failed);
    assert_eq!(world.last_code(id).await, "duplicate_step");
    assert_eq!(server.counts()["role"], 1);
    running.abort();
}
