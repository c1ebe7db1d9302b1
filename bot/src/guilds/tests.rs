use bytes::Bytes;
use serde_json::{Value, json};
use splashtail_guild::{Id, Kind};

use super::*;
use crate::events::{Body, Event, EventKind};

const OWN: u64 = 5;

fn event(kind: EventKind, body: Value) -> Event {
    Event {
        kind,
        guild: GuildId::new(10).unwrap(),
        shard: ShardId(0),
        seq: Some(1),
        received: Duration::from_secs(1),
        body: Body::Raw(Bytes::from(body.to_string())),
    }
}

fn whole() -> Value {
    json!({
        "id": "10", "name": "Harbour", "owner_id": "1", "member_count": 3, "features": [],
        "roles": [
            {"id": "10", "name": "@everyone", "permissions": "1024", "position": 0},
            {"id": "20", "name": "Bot", "permissions": "9007199254740992", "position": 2},
        ],
        "channels": [{"id": "30", "type": 0, "name": "general", "position": 0, "flags": 0, "permission_overwrites": []}],
        "members": [
            {"user": {"id": "1"}, "roles": []},
            {"roles": "not a member"},
            {"user": {"id": OWN.to_string()}, "roles": ["20"], "communication_disabled_until": null},
        ],
    })
}

fn guilds() -> Guilds {
    let guilds = Guilds::default();
    guilds.begin(ShardId(0), UserId::new(OWN), &[GuildId::new(10).unwrap()]);
    assert!(
        !guilds
            .get(GuildId::new(10).unwrap())
            .unwrap()
            .is_available()
    );
    let followed = guilds.follow(&event(EventKind::GuildCreate, whole()));
    followed.read.unwrap();
    guilds
}

fn view(guilds: &Guilds) -> GuildView {
    guilds.get(GuildId::new(10).unwrap()).unwrap()
}

#[test]
fn facts_and_structure_follow_the_events() {
    let guilds = guilds();
    let facts = view(&guilds).facts();
    assert_eq!(
        (facts.name.as_str(), facts.owner, facts.member_count),
        ("Harbour", UserId::new(1), 3)
    );
    let bot = RoleId::new(20).unwrap();
    assert_eq!(facts.own_roles, [bot]);
    // Bits that nobody here knows stay.
    let id = GuildId::new(10).unwrap();
    assert_eq!(facts.permissions(id, &[bot]), 1024 | 1 << 53);
    assert_eq!(facts.permissions(id, &[]), 1024);
    assert_eq!(
        guilds.count(ShardId(0)),
        Count {
            guilds: 1,
            members: 3
        }
    );
    assert_eq!(guilds.count(ShardId(1)), Count::default());

    let deleted = guilds.follow(&event(
        EventKind::GuildRoleDelete,
        json!({"guild_id": "10", "role_id": "20"}),
    ));
    let before = deleted.view.delta().changes()[0].before.clone().unwrap();
    assert_eq!(before["name"], "Bot");
    assert_eq!(view(&guilds).facts().roles.len(), 1);
    assert!(view(&guilds).delta().is_empty());

    for (kind, user, count) in [
        (EventKind::GuildMemberAdd, "9", 4),
        (EventKind::GuildMemberAdd, "9", 4),
        (EventKind::GuildMemberRemove, "9", 3),
        (EventKind::GuildMemberRemove, "9", 3),
        (EventKind::GuildMemberAdd, "5", 3),
    ] {
        guilds
            .follow(&event(
                kind,
                json!({"guild_id": "10", "user": {"id": user}}),
            ))
            .read
            .unwrap();
        assert_eq!(view(&guilds).facts().member_count, count);
    }
    let own = json!({"guild_id": "10", "user": {"id": OWN.to_string()}, "roles": [], "communication_disabled_until": "2026-11-30T00:00:00Z"});
    guilds.follow(&event(EventKind::GuildMemberUpdate, own));
    let facts = view(&guilds).facts();
    assert!(facts.own_roles.is_empty() && facts.own_timeout.is_some());
}

#[test]
fn a_channel_out_of_sight_keeps_its_last_clear_form() {
    let guilds = guilds();
    let hidden = json!({"id": "30", "guild_id": "10", "type": 0, "name": "___hidden___", "position": 0, "flags": 1 << 17,
        "permission_overwrites": [{"id": "10", "type": 0, "allow": "0", "deny": "1024"}]});
    guilds
        .follow(&event(EventKind::ChannelUpdate, hidden))
        .read
        .unwrap();
    view(&guilds).structure(|structure| {
        assert!(structure.is_hidden(Id::new(30)));
        assert_eq!(
            structure.get(Kind::Channel, Id::new(30)).unwrap()["name"],
            "general"
        );
    });
}

#[test]
fn what_cannot_be_read_changes_nothing_and_an_outage_keeps_what_was_known() {
    let guilds = guilds();
    let strange = event(EventKind::GuildRoleUpdate, Value::Null);
    let broken = Event {
        body: Body::Raw(Bytes::from_static(b"{\"role\":")),
        ..strange
    };
    guilds.follow(&broken).read.unwrap_err();
    let out = event(
        EventKind::GuildUnavailable,
        json!({"id": "10", "unavailable": true}),
    );
    let out = guilds.follow(&out);
    assert!(!out.view.is_available());
    assert_eq!(out.view.facts().name, "Harbour");
    assert_eq!(
        (guilds.available(), guilds.count(ShardId(0))),
        (0, Count::default())
    );
    let back = guilds.follow(&event(EventKind::GuildCreate, whole()));
    assert!(back.outage.is_some() && back.view.is_available());
    let gone = guilds.follow(&event(EventKind::GuildGone, json!({"id": "10"})));
    assert_eq!(
        (gone.view.facts().name.as_str(), gone.view.is_available()),
        ("Harbour", false)
    );
    assert!(guilds.get(GuildId::new(10).unwrap()).is_none());
}
