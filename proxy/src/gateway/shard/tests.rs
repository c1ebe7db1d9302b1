use super::*;

fn shard() -> Shard {
    let limits = Limits {
        bytes: 1 << 20,
        age: Duration::from_secs(60),
    };
    Shard::new(0, limits, Duration::ZERO).unwrap()
}

fn take(shard: &Shard, name: &str, seq: u64, body: &str) -> Taken {
    let text = format!(r#"{{"t":"{name}","s":{seq},"op":0,"d":{body}}}"#);
    let frame = Bytes::from(text);
    let head = Head::scan(&frame).unwrap();
    shard.take(frame.clone(), &head, Duration::ZERO)
}

/// What Discord left out is missing for ever: clients have to know, so that they look elsewhere.
#[test]
fn a_hole_ends_the_sessions_of_clients() {
    let shard = shard();
    let ready = r#"{"v":10,"user":{"id":"9"},"guilds":[],"session_id":"up"}"#;
    assert_eq!(take(&shard, "READY", 1, ready), Taken::Ready);
    for (name, seq, taken, epoch) in [
        ("MESSAGE_CREATE", 2, Taken::Event, 1),
        ("MESSAGE_CREATE", 2, Taken::Repeated, 1),
        ("MESSAGE_CREATE", 4, Taken::Hole, 2),
        ("MESSAGE_CREATE", 3, Taken::Repeated, 2),
        ("MESSAGE_CREATE", 5, Taken::Event, 2),
        ("RESUMED", 6, Taken::Resumed, 2),
        ("RESUMED", 9, Taken::Resumed, 3),
    ] {
        assert_eq!(take(&shard, name, seq, "{}"), taken, "{name} {seq}");
        assert_eq!(shard.inner().epoch, epoch, "{name} {seq}");
    }
    assert_eq!(shard.inner().log.head(), 3, "the event behind it is told");
}
