//! Days of a moderator and of an administrator who have much to do: three hundred acts of every kind, in any
//! order, over the sixteen hours that people are awake. None of it is an attack.

mod errand;
mod server;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_e2e::attack::{Ground, eventually, incidents, say, state, switch_on};
use splashtail_e2e::backups::OWNER;
use splashtail_e2e::platform::{Engines, Platform};
use splashtail_e2e::portrait::read;
use tempfile::TempDir;

use errand::{ADMINISTRATORS_BESIDE, E, MODERATORS_DAY, shuffled};
use server::Server;

const AWAKE: Duration = Duration::from_hours(16);
const SETTLE_MS: u64 = 60_000;
/// What moderators hold: kick, ban, channels, the server, messages, nicknames, roles, webhooks, expressions,
/// events, threads, timeouts, pins, mentions, and making expressions, events and invites.
const MODERATOR: u64 = 1
    | 1 << 1
    | 1 << 2
    | 1 << 4
    | 1 << 5
    | 1 << 13
    | 1 << 17
    | 1 << 27
    | 1 << 28
    | 1 << 29
    | 1 << 30
    | 1 << 33
    | 1 << 34
    | 1 << 40
    | 1 << 43
    | 1 << 44
    | 1 << 51;
const ADMINISTRATOR: u64 = 1 << 3;

/// Until the bot has heard of all that was done.
async fn heard_of(server: &Server<'_>) -> Value {
    server.platform.control.settle(SETTLE_MS).await.unwrap();
    let log = read(server.platform, &server.path("audit-logs?limit=1")).await;
    let last = log["audit_log_entries"][0]["id"].as_str().unwrap();
    let last: u64 = last.parse().unwrap();
    let heard = || async {
        let state = state(server.platform, &server.guild).await.ok()?;
        let highest = state["highest"].as_str()?.parse::<u64>().ok()?;
        (highest >= last).then_some(state)
    };
    let heard = eventually("the last act", heard).await;
    heard.unwrap_or_else(|error| panic!("{error}\n{}", server.platform.logs()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_hundred_acts_of_every_kind_are_no_attack() {
    let dir = TempDir::new().unwrap();
    let platform = Platform::start(dir, Engines::Embedded, &[]).await.unwrap();
    let ground = Ground::level(&platform).await.unwrap();
    let guild = ground.server().await.unwrap();
    let mut server = Server {
        platform: &platform,
        guild: guild.clone(),
        things: BTreeMap::new(),
        held: Vec::new(),
        done: 0,
    };
    let (staff, people) = ground.people().split_at(2);
    let [moderator, administrator] = [&staff[0], &staff[1]];
    server.furnish(people).await;
    server.appoint(moderator, MODERATOR).await;
    server.appoint(administrator, ADMINISTRATOR).await;
    let channels = server.path("channels");
    let room = json!({"name": "alerts", "type": 0});
    let room = server.make(OWNER, ("rooms", &channels), room).await;
    let there = json!({"channel": room});
    let said = say(&platform, &guild, OWNER, "protection alerts", there).await;
    assert!(said.unwrap().contains("Alerts go to"));
    switch_on(&platform, &guild).await.unwrap();

    let all: Vec<_> = MODERATORS_DAY
        .into_iter()
        .chain(ADMINISTRATORS_BESIDE)
        .collect();
    let days = [
        (moderator, shuffled(&MODERATORS_DAY)),
        (administrator, shuffled(&all)),
    ];
    let longest = days[1].1.len();
    assert!(days.iter().all(|(_, day)| day.len() >= 300));
    let pause = AWAKE / u32::try_from(longest).unwrap();
    // Nobody is unbanned who was not banned before.
    let stranger = people.last().unwrap().clone();
    for at in 0..longest {
        for (who, day) in &days {
            let Some(errand) = day.get(at) else { continue };
            let nobody = server.things.get("banned").is_none_or(Vec::is_empty);
            if *errand == E::Unban && nobody {
                let path = server.path(&format!("bans/{stranger}"));
                server.ask(OWNER, "PUT", &path, json!({})).await;
                server
                    .things
                    .entry("banned")
                    .or_default()
                    .push(stranger.clone());
                server
                    .things
                    .get_mut("people")
                    .unwrap()
                    .retain(|one| *one != stranger);
                server.held.retain(|(one, _)| *one != stranger);
            }
            server.run(who, *errand).await;
        }
        server.later(pause).await;
    }

    let state = heard_of(&server).await;
    let found = incidents(&platform, &guild).await.unwrap();
    assert_eq!(found, Vec::<Value>::new());
    for who in [moderator, administrator] {
        assert!(
            state["actors"].get(who.as_str()).is_some(),
            "{who} was counted: {state}"
        );
    }
    let alerts = read(&platform, &format!("/channels/{room}/messages?limit=50")).await;
    assert_eq!(alerts, json!([]), "no alert");
    assert!(platform.stop().await.unwrap().is_empty());
}
