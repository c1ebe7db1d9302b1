use serde_json::json;

use super::*;
use crate::backup::dialect::split;

fn entry(id: u64, pinned: bool) -> msgpack::Value {
    let message = json!({"id": id.to_string(), "content": "hi", "pinned": pinned});
    let section = split(&message, &dialect::MESSAGE).0;
    msgpack::Value::object([("message", section)])
}

fn id(id: u64) -> MessageId {
    MessageId::new(id).unwrap()
}

#[test]
fn all_but_the_newest_hundred_is_copied() {
    let entries: Vec<_> = (1..=250).rev().map(|n| entry(n, false)).collect();
    let found = known(&entries, true, (None, &json!({"last_message_id": "250"}))).unwrap();
    assert_eq!((found.joint, found.oldest), (id(151), id(1)));
    assert!(!found.pins && found.whole);
    assert!(!found.holds(None), "the newest are read");
    assert!(!found.holds(Some(id(152))), "not a hundred yet");
    assert!(found.holds(Some(id(151))));
    assert!(found.holds(Some(id(140))), "151 was deleted");
    assert!(!found.holds(Some(id(1))), "all of it is copied");
    assert!(known(&entries[..99], true, (None, &json!({}))).is_none());
}

/// One that was opened since, or in which something was deleted, may say anything.
#[test]
fn of_an_archived_thread_nothing_is_read_unless_it_changed() {
    let thread = json!({"id": "1100000000000000500", "last_message_id": "250",
        "message_count": 250, "total_message_sent": 250,
        "thread_metadata": {"archived": true, "archive_timestamp": "2026-05-01T10:00:00Z"}});
    let entries: Vec<_> = (1..=250).rev().map(|n| entry(n, n == 5)).collect();
    let found = known(&entries, false, (Some(&thread), &thread)).unwrap();
    assert!(found.rests && found.holds(None) && found.holds(Some(id(151))));
    assert!(known(&entries[..2], false, (Some(&thread), &thread)).is_some());
    let with = |field: &str, value: Value| {
        let mut other = thread.clone();
        match field.split_once('.') {
            Some((outer, inner)) => other[outer][inner] = value,
            None => other[field] = value,
        }
        other
    };
    for changed in [
        with("message_count", json!(249)),
        with("total_message_sent", json!(251)),
        with("last_message_id", json!("251")),
        with("thread_metadata.archived", json!(false)),
        with(
            "thread_metadata.archive_timestamp",
            json!("2026-05-02T10:00:00Z"),
        ),
    ] {
        let found = known(&entries, false, (Some(&thread), &changed)).unwrap();
        assert!(found.pins && !found.holds(None) && found.holds(Some(id(151))));
        assert!(known(&entries[..2], false, (Some(&thread), &changed)).is_none());
    }
    for uncounted in [
        with("id", json!("900000000000000500")),
        with("message_count", Value::Null),
        with("thread_metadata.archive_timestamp", Value::Null),
    ] {
        let found = known(&entries, false, (Some(&uncounted), &uncounted)).unwrap();
        assert!(!found.rests, "{uncounted}");
    }
}

#[test]
fn pins_are_as_they_are_now() {
    let old = json!({"id": "5", "content": "old", "pinned": true});
    let fresh = json!({"id": "5", "content": "new", "pinned": true});
    let now = |pins: Option<&Pins>| as_now(old.clone(), id(5), pins);
    assert_eq!(now(None), old);
    assert_eq!(now(Some(&Pins::from([(id(5), fresh.clone())]))), fresh);
    assert_eq!(now(Some(&Pins::new()))["pinned"], false);
    let mut loved = old.clone();
    loved["reactions"] = json!([{"count": 2}]);
    let pins = Pins::from([(id(5), fresh.clone())]);
    let mut expected = fresh;
    expected["reactions"] = json!([{"count": 2}]);
    assert_eq!(as_now(loved, id(5), Some(&pins)), expected);
}

/// What is copied again and again stays what it is.
#[test]
fn a_copy_of_a_copy_is_the_same() {
    let message = json!({
        "id": "2", "channel_id": "1", "content": "hi", "type": 0, "flags": 4,
        "timestamp": "2024-01-20T12:00:00.123000+00:00", "edited_timestamp": null,
        "mention_roles": ["5"], "pinned": true, "position": 12, "referenced_message": null,
        "author": {"id": "9", "username": "alice", "discriminator": "0", "global_name": null,
                   "avatar_decoration_data": {"asset": "a"}},
        "attachments": [{"id": "7", "filename": "a.png", "size": 3, "width": null,
                         "placeholder": "abc", "duration_secs": 1.5, "url": "u"}],
        "embeds": [{"title": "T", "footer": {"text": "f", "height": 3}}],
        "reactions": [{"count": 2, "burst_colors": ["#fff"], "emoji": {"id": null, "name": "x"}}],
        "components": [{"type": 1, "components": [{"type": 2, "custom_id": "x"}]}],
        "message_snapshots": [{"message": {"content": "forwarded"}}]});
    let copy = |message: &Value| {
        let (section, rest) = split(message, &dialect::MESSAGE);
        let joined = join(&section, rest.as_ref(), &dialect::MESSAGE);
        (joined, section, rest)
    };
    let (first, section, rest) = copy(&message);
    let (second, section_again, rest_again) = copy(&first);
    assert_eq!(section, section_again);
    assert_eq!(rest, rest_again);
    assert_eq!(first, second);
}
