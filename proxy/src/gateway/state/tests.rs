use std::time::Duration;

use bytes::Bytes;
use splashtail_api_types::clusters::{GatewayBot, SessionStartLimit};
use splashtail_core::clock::SystemClock;
use splashtail_gateway::Head;

use super::*;
use crate::gateway::Settings;
use crate::gateway::client::frames::{Request, read};
use crate::gateway::client::session::Next;

const READY: &str =
    r#"{"t":"READY","s":1,"op":0,"d":{"v":10,"user":{"id":"9"},"guilds":[],"session_id":"up"}}"#;
const IDENTIFY: &[u8] = br#"{"op":2,"d":{"token":"t","properties":{},"intents":513}}"#;

/// The only connection.
const CLIENT: u64 = 0;

fn gateway(directory: &Path) -> Arc<Gateway> {
    let settings = Settings {
        token: "t".into(),
        intents: 513,
        shards: 1,
        client_shards: 0,
        address: "ws://localhost".to_owned(),
        heartbeat_ms: 41_250,
        ack_delay_ms: 10,
        resume_window: Duration::from_secs(60),
        replay_bytes: 1 << 20,
        client_queue: 1 << 20,
        voice_leave: false,
        admin_secret: None,
        state_dir: Some(directory.to_owned()),
    };
    let gateway = Gateway::new(settings, SystemClock::shared());
    let bot = GatewayBot {
        url: "ws://localhost".to_owned(),
        shards: 1,
        session_start_limit: SessionStartLimit::default(),
    };
    gateway.set_up(&bot).unwrap();
    gateway
}

fn hear(gateway: &Gateway, text: &str) {
    let frame = Bytes::from(text.to_owned());
    let head = Head::scan(&frame).unwrap();
    gateway.shards()[0].take(frame.clone(), &head, gateway.clock.monotonic());
}

fn say(gateway: &Gateway, seq: u64) {
    hear(
        gateway,
        &format!(r#"{{"t":"MESSAGE_CREATE","s":{seq},"op":0,"d":{{"guild_id":"5"}}}}"#),
    );
}

/// A client that has heard everything.
fn client(gateway: &Gateway) -> Arc<Session> {
    let Ok(Request::Identify(identify)) = read(IDENTIFY, false) else {
        panic!("no identify");
    };
    let sources = gateway.sources((0, 1));
    let ready = gateway.shards()[0].inner().greeting().cloned().unwrap();
    let (session, _) = gateway.begin(&identify, sources, &ready, CLIENT);
    session.greet();
    session
}

fn catch_up(session: &Session) {
    while matches!(session.next(CLIENT, 1 << 16), Next::Frames(_)) {}
}

#[test]
fn clients_go_on_with_the_very_files_that_were_written_with_theirs() {
    let directory = tempfile::tempdir().unwrap();
    let shard = shard_file(directory.path(), 0);
    let before = gateway(directory.path());
    hear(&before, READY);
    let session = client(&before);
    say(&before, 2);
    catch_up(&session);
    before.save(false);
    let older = fs::read(&shard).unwrap();
    for seq in 3..6 {
        say(&before, seq);
    }
    catch_up(&session);
    before.save(true);
    let newer = fs::read(&shard).unwrap();
    let clients = fs::read(clients_file(directory.path())).unwrap();

    // An earlier snapshot lacks what the client has heard: its numbers would be given out twice.
    fs::write(&shard, older).unwrap();
    let after = gateway(directory.path());
    assert!(after.list().is_empty());
    assert_eq!(after.shards()[0].inner().session.as_ref().unwrap().seq, 2);

    fs::write(&shard, newer).unwrap();
    fs::write(clients_file(directory.path()), clients).unwrap();
    let after = gateway(directory.path());
    let list = after.list();
    let sent = |one: &Session| one.keep().map(|kept| serde_json::to_value(kept).unwrap());
    assert_eq!(list.len(), 1);
    assert_eq!(sent(&list[0]), sent(&session));
    assert!(
        !clients_file(directory.path()).exists(),
        "they fit no later files"
    );
}

/// A file of clients never outlives the shards' files that it names.
#[test]
fn a_later_snapshot_leaves_no_clients_behind() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = gateway(directory.path());
    hear(&gateway, READY);
    client(&gateway);
    gateway.save(true);
    assert!(clients_file(directory.path()).exists());
    gateway.save(false);
    assert!(!clients_file(directory.path()).exists());
}

#[test]
fn a_place_beyond_the_logs_is_not_gone_on_with() {
    let directory = tempfile::tempdir().unwrap();
    let gateway = gateway(directory.path());
    hear(&gateway, READY);
    let session = client(&gateway);
    let kept = session.keep().unwrap();
    let sources = gateway.sources((0, 1));
    assert!(kept.fits(&sources));
    say(&gateway, 2);
    catch_up(&session);
    let kept = session.keep().unwrap();
    assert!(kept.fits(&sources));
    gateway.shards()[0].inner().log.begin_at(0);
    assert!(!kept.fits(&sources));
}
