//! A server is saved, damaged in every way and put back; then it is compared field by field with what it
//! was, by code that knows nothing of jobservers. Only what the table names may differ.

use serde_json::json;
use splashtail_core::ids::TaskId;
use splashtail_sandbox::control::types::{ActKind, DrillKind, DrillState, NewDrill};
use splashtail_sandbox::portrait::{Difference, Sight};

use crate::restore::calls::{copied, empty_guild, uploaded};
use crate::restore::excuses::{all_parts, shown, unexcused, usual_parts};
use crate::restore::havoc;
use crate::support::Jobserver;
use crate::support::server::{GUILD, World, unlimited};

/// Messages that are compared of each channel and thread, and that are looked through for them: people,
/// and those who destroyed, go on writing.
const TALK: usize = 30;
const LOOKED_THROUGH: usize = 100;

/// Kinds of acts after which the bot could do nothing, or that take from it what it restores by; and one
/// that costs a server all its members, whom nobody brings back.
const LEFT_OUT: [ActKind; 6] = [
    ActKind::Prune,
    ActKind::KickBot,
    ActKind::DisarmBot,
    ActKind::DeleteIntegration,
    ActKind::HideChannel,
    ActKind::GrantAdministrator,
];

async fn saved(server: &Jobserver, world: &World, people: bool) -> TaskId {
    let options = json!({"BackupMessages": true, "BackupAttachments": true, "PerChannel": 50,
        "MaxMessages": 1_000_000, "BackupMembers": people, "BackupBans": people,
        "BackupGuildAssets": ["icon", "banner", "splash"]});
    server.backup(world, options).await
}

async fn drill(world: &World, size: u32) {
    let acts = ActKind::DESTRUCTIVE.iter().copied();
    let order = NewDrill {
        size: Some(size),
        rate: Some(500.0),
        watch_ms: Some(0),
        acts: acts.filter(|act| !LEFT_OUT.contains(act)).collect(),
        ..NewDrill::new(DrillKind::Nuke, GUILD)
    };
    let id = world.control.start_drill(&order).await.unwrap().id;
    while world.control.drill(id, 1000).await.unwrap().state != DrillState::Finished {}
}

/// Whether the bot may do everything. In one that may not, what it does not see stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bot {
    Trusted,
    Plain,
}

/// A way to damage a world and back.
struct Trip {
    world: &'static str,
    bot: Bot,
    /// Members and bans, too.
    people: bool,
    seed: u64,
    rounds: usize,
    acts: u32,
}

async fn round_trip(trip: Trip) {
    let Trip {
        world: name,
        bot,
        people,
        seed,
        rounds,
        acts,
    } = trip;
    let began = std::time::Instant::now();
    let at = |what: &str| eprintln!("{name} {what}: {:.1} s", began.elapsed().as_secs_f64());
    let world = unlimited(name).await;
    if bot == Bot::Trusted {
        world.trust_bot().await;
    }
    havoc::furnish(&world).await;
    let server = world.setup.start().await;
    let mut sight = Sight {
        messages: TALK,
        people,
        besides: world.unseen().await,
    };
    let before = world.portrait(GUILD, &sight).await;
    at("saw it");
    let backup = saved(&server, &world, people).await;
    at("saved it");
    let told = havoc::wreak(&world, seed, rounds).await;
    drill(&world, acts).await;
    let damage = before.differences(&world.portrait(GUILD, &sight).await);
    at("destroyed it");
    assert!(damage.len() > 50, "{}", damage.len());
    let mut parts = if people { all_parts() } else { usual_parts() };
    if bot == Bot::Plain {
        // It lacks MANAGE_EVENTS.
        parts
            .as_array_mut()
            .unwrap()
            .retain(|part| part != "events");
    }
    let options = json!({"BackupSource": format!("task://{backup}"), "Parts": parts});
    let report = server.restore(&world, options).await;
    at("put it back");
    sight.messages = LOOKED_THROUGH;
    let after = world.portrait(GUILD, &sight).await;
    let differences = before.differences(&after);
    let mut left = unexcused(&differences);
    if bot == Bot::Plain {
        left.retain(|difference| !is_among(LACKED, difference));
    }
    eprintln!(
        "{name}: {} differences before, {} afterwards, of which {} should not be",
        damage.len(),
        differences.len(),
        left.len()
    );
    assert!(
        left.is_empty(),
        "{}\n{told:#?}\n{:#}",
        shown(&left),
        report["lines"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_small_world_comes_back() {
    round_trip(Trip {
        world: "small",
        bot: Bot::Trusted,
        people: true,
        seed: 1,
        rounds: 2,
        acts: 60,
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_odd_world_comes_back() {
    round_trip(Trip {
        world: "odd",
        bot: Bot::Trusted,
        people: true,
        seed: 2,
        rounds: 2,
        acts: 60,
    })
    .await;
}

/// What the bot does not see stays as it is, and what it may not give is left out.
#[tokio::test(flavor = "multi_thread")]
async fn the_small_world_comes_back_as_far_as_the_bot_sees_it() {
    round_trip(Trip {
        world: "small",
        bot: Bot::Plain,
        people: true,
        seed: 4,
        rounds: 1,
        acts: 40,
    })
    .await;
}

/// Of its 50,000 members thousands would have to be put right.
#[tokio::test(flavor = "multi_thread")]
async fn the_big_world_comes_back() {
    round_trip(Trip {
        world: "big",
        bot: Bot::Trusted,
        people: false,
        seed: 3,
        rounds: 1,
        acts: 60,
    })
    .await;
}

/// A server that has nothing gets everything that its own features let it have.
#[tokio::test(flavor = "multi_thread")]
async fn an_empty_server_becomes_a_copy() {
    let world = unlimited("small").await;
    world.trust_bot().await;
    havoc::furnish(&world).await;
    let server = world.setup.start().await;
    let sight = Sight {
        messages: TALK,
        ..Sight::default()
    };
    let before = world.portrait(GUILD, &sight).await;
    let backup = saved(&server, &world, false).await;
    let source = uploaded(&world, &server, backup).await;
    let guild = empty_guild(&world).await;
    let report = copied(&world, &server, &guild, &source, usual_parts()).await;
    let after = world.portrait(&guild, &sight).await;
    let differences = before.differences(&after);
    let mut left = unexcused(&differences);
    left.retain(|difference| !is_among(COPIED, difference));
    assert!(left.is_empty(), "{}\n{:#}", shown(&left), report["lines"]);
}

/// Kind, field (empty: any), and the rule of the restore matrix.
type Exception = (&'static str, &'static str, &'static str);

fn is_among(exceptions: &[Exception], difference: &Difference) -> bool {
    exceptions.iter().any(|(kind, field, _)| {
        difference.kind() == *kind && (field.is_empty() || difference.is_of(field))
    })
}

/// What a bot without all permissions leaves.
const LACKED: &[Exception] = &[
    (
        "role",
        "permissions",
        "§6 case 6: a bit that the bot lacks is masked and named",
    ),
    (
        "event",
        "",
        "it lacks MANAGE_EVENTS, and they were not asked for",
    ),
];

/// What a copy cannot have.
const COPIED: &[Exception] = &[
    (
        "thread",
        "members",
        "§1 members: who is not in the server cannot be added",
    ),
    (
        "invite",
        "guild",
        "§1 guild: what the server itself is like",
    ),
    ("server", "banner", "§1 guild: needs BANNER"),
    ("server", "splash", "§1 guild: needs INVITE_SPLASH"),
    ("server", "features", "§1 guild: those that Discord gives"),
    ("server", "premium_tier", "§2 never: boosts"),
    ("server", "premium_subscription_count", "§2 never: boosts"),
];
