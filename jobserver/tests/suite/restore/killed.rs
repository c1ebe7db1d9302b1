//! A jobserver may die at any moment of a restore: what comes out is what came out of an undisturbed one,
//! and nothing is made twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_core::ids::TaskId;
use splashtail_sandbox::portrait::{Portrait, Sight};
use splashtail_sandbox_world::draw::Draw;
use tokio::sync::watch;

use crate::restore::excuses::{all_parts, shown, unexcused};
use crate::restore::{havoc, saved, state};
use crate::support::gate::Cut;
use crate::support::server::{GUILD, OWNER, World, gated, gated_over, world};
use crate::support::{Jobserver, postgres};

/// Deaths of one restore.
const DEATHS: usize = 20;
/// Deaths that every restore here lasts long enough for: how many changes pass between two depends on how
/// soon a process is dead.
const SURELY: usize = 5;
/// Of damage.
const SEED: u64 = 7;
/// Restores at a time: they mostly wait.
const SIDE_BY_SIDE: usize = 4;
/// How often is looked whether the restore is over.
const LOOK: Duration = Duration::from_millis(100);

/// Killed after ever more effects, with the effect under way cut off: the next jobserver goes on,
/// nothing is missing and nothing is there twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_jobserver_that_dies_makes_nothing_twice() {
    let world = world().await;
    let mut server = world.setup.start().await;
    let before = state(&world).await;
    let (backup, source) = saved(&world, &server, json!({})).await;
    world.nuke().await;
    let id = server
        .order_restore(&world, json!({"BackupSource": source}))
        .await;
    let mut effects = world.effects().await;
    for more in [1, 4, 9] {
        effects += more;
        while world.effects().await < effects {
            assert!(!server.has_ended(id).await, "it ended before it was killed");
            tokio::task::yield_now().await;
        }
        server.kill();
        server = world.setup.start().await;
    }
    let report = server.document(id).await;
    assert_eq!(state(&world).await, before, "{report:#}");
    assert_eq!(server.rest_of(&world, backup).await, [""; 0]);
    let items = server.storage.ledger().items(id, 0, 1000).await.unwrap();
    let made = items.iter().filter(|item| item.what.contains(".create"));
    let made: Vec<_> = made.filter_map(|item| item.after.clone()).collect();
    let distinct: BTreeSet<_> = made.iter().collect();
    assert_eq!(distinct.len(), made.len(), "{made:?}");
}

fn sight(messages: usize) -> Sight {
    Sight {
        messages,
        people: true,
        ..Sight::default()
    }
}

/// How a jobserver goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Killed,
    /// As for a new version: what is under way is handed back.
    Replaced,
}

/// Ends that a restore lived to see.
#[derive(Debug, Clone, Copy, Default)]
struct Died {
    killed: usize,
    replaced: usize,
}

impl Died {
    fn add(&mut self, end: End) {
        match end {
            End::Killed => self.killed += 1,
            End::Replaced => self.replaced += 1,
        }
    }

    fn all(self) -> usize {
        self.killed + self.replaced
    }
}

impl std::iter::Sum for Died {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, more| Self {
            killed: sum.killed + more.killed,
            replaced: sum.replaced + more.replaced,
        })
    }
}

/// A death to come.
#[derive(Debug, Clone, Copy)]
struct Death {
    /// Requests that pass before it.
    left: usize,
    /// Only those count that may change something.
    changes: bool,
    cut: Cut,
    end: End,
}

/// A damaged server, and the backup that it is to be put back from.
struct Story {
    world: World,
    server: Option<Jobserver>,
    before: Portrait,
    source: String,
}

/// A server with something in it to post, saved, and then damaged.
async fn story(world: World) -> Story {
    world.trust_bot().await;
    havoc::furnish(&world).await;
    let channels = format!("/guilds/{GUILD}/channels");
    let body = json!({"name": "stories", "type": 0});
    let channel = world.rest(OWNER, "POST", &channels, body).await;
    let id = channel["id"].as_str().unwrap();
    let path = format!("/channels/{id}/messages");
    let mut sent = Vec::new();
    for n in 0..6 {
        // Equal neighbours are told apart by their place alone.
        let body = json!({"content": format!("line {}", n / 2)});
        sent.push(world.rest(OWNER, "POST", &path, body).await);
    }
    let second = sent[1]["id"].as_str().unwrap();
    let pin = format!("/channels/{id}/messages/pins/{second}");
    world.rest(OWNER, "PUT", &pin, Value::Null).await;
    let thread = format!("/channels/{id}/messages/{second}/threads");
    let thread = world
        .rest(OWNER, "POST", &thread, json!({"name": "aside"}))
        .await;
    let inside = format!("/channels/{}/messages", thread["id"].as_str().unwrap());
    world
        .rest(OWNER, "POST", &inside, json!({"content": "psst"}))
        .await;

    let server = world.setup.start().await;
    let before = world.portrait(GUILD, &sight(20)).await;
    let options = json!({"BackupMessages": true, "PerChannel": 50, "MaxMessages": 5000,
        "BackupBans": true});
    let (_, source) = saved(&world, &server, options).await;
    havoc::wreak(&world, SEED, 1).await;
    let gone = format!("/channels/{id}");
    // It may be gone already.
    let deleted = world.control.rest(OWNER, "DELETE", &gone, Value::Null);
    deleted.await.unwrap();
    Story {
        world,
        server: Some(server),
        before,
        source,
    }
}

impl Story {
    fn server(&self) -> &Jobserver {
        self.server.as_ref().unwrap()
    }

    async fn order(&self) -> TaskId {
        let options = json!({"BackupSource": self.source, "Parts": all_parts()});
        self.server().order_restore(&self.world, options).await
    }

    /// Lets the jobserver die as planned, as often as the restore lasts; how often it did.
    async fn survive(&mut self, id: TaskId, deaths: impl IntoIterator<Item = Death>) -> Died {
        let mut died = Died::default();
        for death in deaths {
            let gate = self.world.gate.as_ref().unwrap();
            let mut struck = gate.struck();
            gate.aim(death.left, death.changes, death.cut);
            if !self.die(id, &mut struck, death.end).await {
                break;
            }
            died.add(death.end);
        }
        self.world.gate.as_ref().unwrap().rest();
        died
    }

    /// The same, before and after everything that may change something.
    async fn survive_everywhere(&mut self, id: TaskId, most: usize) -> usize {
        let gate = self.world.gate.as_ref().unwrap();
        // The next one may be struck before it has told that it is ready.
        let mut struck = gate.struck();
        gate.aim_everywhere();
        let mut died = 0;
        while died < most {
            if !self.die(id, &mut struck, End::Killed).await {
                break;
            }
            died += 1;
        }
        self.world.gate.as_ref().unwrap().rest();
        died
    }

    /// Waits for the strike, and has another jobserver go on; `false` when the restore ended before.
    async fn die(&mut self, id: TaskId, struck: &mut watch::Receiver<usize>, end: End) -> bool {
        while tokio::time::timeout(LOOK, struck.changed()).await.is_err() {
            if self.server().has_ended(id).await {
                return false;
            }
        }
        let server = self.server.take().unwrap();
        match end {
            End::Killed => server.kill(),
            End::Replaced => {
                server.stop();
                while server.get("/").await.0 != 0 {
                    tokio::task::yield_now().await;
                }
            }
        }
        self.server = Some(self.world.setup.start().await);
        true
    }

    /// How it came out.
    async fn outcome(self, id: TaskId) -> Outcome {
        let report = self.server().document(id).await;
        let after = self.world.portrait(GUILD, &sight(20)).await;
        let mut made = BTreeMap::new();
        for (method, route) in self.world.taken_of_bot() {
            if method == "POST" {
                *made.entry(route).or_default() += 1;
            }
        }
        let ledger = self.server().storage.ledger();
        let items = ledger.items(id, 0, 10_000).await.unwrap();
        let created = items.iter().filter(|item| item.what.contains(".create"));
        let created: Vec<_> = created.filter_map(|item| item.after.clone()).collect();
        let distinct: BTreeSet<_> = created.iter().collect();
        assert_eq!(distinct.len(), created.len(), "{created:?}");
        Outcome {
            before: self.before,
            after,
            made,
            report,
        }
    }
}

/// What a restore left behind.
struct Outcome {
    before: Portrait,
    after: Portrait,
    /// Objects that Discord made for the bot, by route.
    made: BTreeMap<String, usize>,
    report: Value,
}

impl Outcome {
    /// As after another restore, which nothing disturbed.
    fn assert_like(&self, calm: &Self, of: &str) {
        let report = &self.report["lines"];
        assert_eq!(self.made, calm.made, "{of}: {report:#}");
        for (one, what) in [
            (&calm.after, "the undisturbed"),
            (&self.before, "the saved"),
        ] {
            let differences = one.differences(&self.after);
            let left = unexcused(&differences);
            assert!(
                left.is_empty(),
                "{of}, {what}:\n{}\n{report:#}",
                shown(&left)
            );
        }
    }
}

async fn undisturbed() -> Outcome {
    let story = story(gated("small").await).await;
    let id = story.order().await;
    story.outcome(id).await
}

/// At random: most at what may change something, some anywhere, on both sides of the request and among
/// the jobserver's own records. One in eight is an orderly one.
fn drawn(seed: u64) -> impl Iterator<Item = Death> {
    let mut draw = Draw::new(seed, "deaths");
    std::iter::repeat_with(move || {
        let changes = !draw.chance(0.2);
        let cut = match draw.below(4) {
            0 => Cut::Before,
            1 => Cut::After,
            _ => Cut::Answered(Duration::from_millis(draw.below(25))),
        };
        let orderly = matches!(cut, Cut::Answered(_)) && draw.chance(0.25);
        Death {
            left: draw.below(if changes { 6 } else { 60 }) as usize,
            changes,
            cut,
            end: if orderly { End::Replaced } else { End::Killed },
        }
    })
}

/// Random deaths in all: `make test` has few, `make bench` has 200 over each database, by `RESTORE_DEATHS`.
fn wanted(usually: usize) -> usize {
    let asked = std::env::var("RESTORE_DEATHS").ok();
    asked
        .and_then(|asked| asked.parse().ok())
        .unwrap_or(usually)
}

/// What a test has time for: seven deaths of the program, one in order, of which none is followed by
/// half a minute of looking whether Discord heard of a call.
fn few(seed: u64) -> Vec<Death> {
    let mut draw = Draw::new(seed, "deaths of a process");
    let mut deaths: Vec<Death> = std::iter::repeat_with(|| Death {
        left: draw.below(5) as usize,
        changes: true,
        cut: match draw.chance(0.3) {
            true => Cut::After,
            false => Cut::Answered(Duration::from_millis(draw.below(25))),
        },
        end: End::Killed,
    })
    .take(7)
    .collect();
    // Among those that the restore surely lives to see.
    let orderly = draw.below(SURELY as u64) as usize;
    deaths[orderly].end = End::Replaced;
    deaths[orderly].cut = Cut::Answered(Duration::ZERO);
    deaths
}

/// The program itself, ended by the kernel: what of it outlives it is what is in the database.
async fn processes_killed(seed: u64, postgres: Option<url::Url>) {
    let calm = undisturbed().await;
    let mut world = gated_over("small", postgres).await;
    world.setup.programs = true;
    let mut story = story(world).await;
    let id = story.order().await;
    // Each costs a lease, and some half a minute of looks.
    let asked = std::env::var("RESTORE_PROCESS_DEATHS").ok();
    let deaths = match asked.and_then(|asked| asked.parse().ok()) {
        Some(asked) => drawn(seed).take(asked).collect(),
        None => few(seed),
    };
    let most = deaths.len();
    let died = story.survive(id, deaths).await.all();
    assert!(died >= most.min(SURELY), "it ended after {died} deaths");
    story.outcome(id).await.assert_like(&calm, "processes");
    eprintln!("a restore came out as it should through the ends of {died} processes");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_are_killed_and_it_comes_out_as_if_undisturbed() {
    processes_killed(1, None).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs DATABASE_URL"]
async fn processes_are_killed_over_postgresql_and_it_comes_out_as_if_undisturbed() {
    processes_killed(2, Some(postgres().await)).await;
}

/// So many deaths, over several restores that go on side by side, and a line of the table of `make bench`.
async fn killed_at_random(database: &str, wanted: usize, first: u64, over_postgres: bool) {
    let calm = undisturbed().await;
    let (mut died, mut seed, mut restores) = (Died::default(), first, 0);
    while died.all() < wanted {
        let left = (wanted - died.all()).div_ceil(DEATHS).min(SIDE_BY_SIDE) as u64;
        let calm = &calm;
        let runs = (seed..seed + left).map(|seed| async move {
            let address = match over_postgres {
                true => Some(postgres().await),
                false => None,
            };
            killed_again_and_again(calm, seed, address).await
        });
        let ends = futures_util::future::join_all(runs).await;
        died = [died].into_iter().chain(ends).sum();
        seed += left;
        restores += left;
    }
    let Died { killed, replaced } = died;
    eprintln!("| {database} | {restores} | {killed} | {replaced} | 0 |");
}

async fn killed_again_and_again(calm: &Outcome, seed: u64, postgres: Option<url::Url>) -> Died {
    let mut story = story(gated_over("small", postgres).await).await;
    let id = story.order().await;
    let died = story.survive(id, drawn(seed).take(DEATHS)).await;
    story
        .outcome(id)
        .await
        .assert_like(calm, &format!("seed {seed}"));
    died
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_at_random_it_comes_out_as_if_undisturbed() {
    killed_at_random("SQLite", wanted(40), 0, false).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs DATABASE_URL"]
async fn killed_at_random_over_postgresql_it_comes_out_as_if_undisturbed() {
    killed_at_random("PostgreSQL", wanted(20), 1000, true).await;
}

/// In `make test` the first changes alone; `RESTORE_DEATHS` has all of them cut off.
#[tokio::test(flavor = "multi_thread")]
async fn every_change_can_be_the_last() {
    let calm = undisturbed().await;
    let most = match std::env::var_os("RESTORE_DEATHS") {
        Some(_) => usize::MAX,
        None => 12,
    };
    let mut story = story(gated("small").await).await;
    let id = story.order().await;
    let died = story.survive_everywhere(id, most).await;
    story.outcome(id).await.assert_like(&calm, "everywhere");
    eprintln!("a restore came out as it should through {died} deaths, two at each change");
}
