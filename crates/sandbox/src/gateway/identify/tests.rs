use std::time::Duration;

use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::{Addresses, Conduct};
use splashtail_sandbox_world::{Options, Sandbox};

use super::super::Settings;
use super::super::session::Next;
use super::*;
use crate::server::Edge;

/// An edge for which every guild is huge.
fn edge() -> Arc<Edge> {
    let nowhere = Addresses {
        rest: String::new(),
        gateway: String::new(),
    };
    let sandbox = Sandbox::new(&Options {
        world: "small".to_owned(),
        seed: 1,
        addresses: nowhere,
        clock: Arc::new(SandboxClock::frozen(chrono::DateTime::UNIX_EPOCH)),
        conduct: Conduct::prompt(),
    });
    let settings = Settings {
        apart: 0,
        ..Settings::default()
    };
    Edge::new(sandbox.unwrap(), settings, false).unwrap()
}

/// A session whose first guild is about to be written.
fn identified(edge: &Edge) -> (Arc<Session>, u64) {
    let wish = json!({"token": small::bot_token(), "intents": intent::GUILDS, "properties": {}});
    match edge.gateway.identify(&wish, "none") {
        Ok(Started::Session(session, connection)) => (session, connection),
        _ => panic!("it was refused"),
    }
}

/// Lets others go on until it holds, which takes no time but theirs.
async fn until(holds: impl Fn() -> bool) {
    let wait = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    let patience = Duration::from_secs(60);
    tokio::time::timeout(patience, wait).await.unwrap();
}

/// Names and guilds of what the session was told, READY left out.
fn told(session: &Session, connection: u64) -> Vec<(&'static str, Id)> {
    let Next::Frames(frames) = session.next(connection, 1000) else {
        panic!("it was told nothing");
    };
    let guild = |data: &str| {
        let data: Value = serde_json::from_str(data).unwrap();
        data["id"].as_str().unwrap().parse().unwrap()
    };
    let frames = frames.iter().filter(|f| f.name != "READY");
    frames.map(|f| (f.name, guild(&f.data))).collect()
}

#[tokio::test]
async fn a_guild_that_goes_and_returns_while_it_is_written_is_told_of_in_order() {
    let edge = edge();
    let (session, connection) = identified(&edge);
    let [first, rest @ ..] = small::GUILDS;
    assert_eq!(session.untold.hears(first), Hears::Later);
    for down in [true, false] {
        edge.sandbox
            .with_world(|world| world.set_outage(first, down));
    }
    until(|| session.owed() == 0).await;
    let mut expected = vec![
        ("GUILD_CREATE", first),
        ("GUILD_DELETE", first),
        ("GUILD_CREATE", first),
    ];
    expected.extend(rest.map(|guild| ("GUILD_CREATE", guild)));
    assert_eq!(told(&session, connection), expected);
}

#[tokio::test]
async fn guilds_that_return_later_are_told_of_by_one_after_the_other() {
    let edge = edge();
    let (session, connection) = identified(&edge);
    until(|| session.owed() == 0).await;
    told(&session, connection);
    let outage = |down| {
        edge.sandbox.with_world(|world| {
            for guild in small::GUILDS {
                world.set_outage(guild, down);
            }
        });
    };
    outage(true);
    outage(false);
    until(|| session.owed() == 0).await;
    let mut expected = small::GUILDS.map(|guild| ("GUILD_DELETE", guild)).to_vec();
    expected.extend(small::GUILDS.map(|guild| ("GUILD_CREATE", guild)));
    assert_eq!(told(&session, connection), expected);
}

#[tokio::test]
async fn nothing_of_an_old_world_is_told_in_the_new_one() {
    let edge = edge();
    let (session, _) = identified(&edge);
    // Its teller waits for the text of a guild.
    tokio::task::yield_now().await;
    assert_ne!(session.untold.hears(small::GUILDS[3]), Hears::Now);
    edge.load("small", 2, None).unwrap();
    until(|| Arc::strong_count(&session) == 1).await;
    let journal = edge.sandbox.journal.since(0, 1000);
    let frames = journal
        .iter()
        .filter(|entry| matches!(entry.record, Record::Frame { .. }));
    assert_eq!(frames.count(), 0, "{journal:?}");
}
