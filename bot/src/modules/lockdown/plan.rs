//! Which places a lock is about. Data in, data out.

use std::collections::BTreeSet;

use serde_json::Value;
use splashtail_discord::permissions::bits;
use splashtail_discord::snowflake::{array, bit_set, id};

use super::locks::SPEAKING;

/// Kinds of channels in which people write or speak (Discord documentation, "Channel Types").
const SPOKEN_IN: [u64; 6] = [0, 2, 5, 13, 15, 16];
/// Those of them for which one connects.
const CONNECTED_TO: [u64; 2] = [2, 13];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Roles lose everything but sight: one call each.
    Quick,
    /// Nobody writes or speaks in any channel.
    Traditional,
    /// In one channel.
    Channel,
}

/// Where something is to be off, and what.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    /// A channel, or 0 for a role's own permissions.
    pub channel: u64,
    pub role: u64,
    pub wanted: u64,
}

impl Kind {
    pub const ALL: [Self; 3] = [Self::Quick, Self::Traditional, Self::Channel];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Quick => "quick",
            Self::Traditional => "traditional",
            Self::Channel => "channel",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// The places of a lock, by the channels that can be seen. `critical`: roles of members.
pub(super) fn places(
    kind: Kind,
    one: Option<u64>,
    critical: &BTreeSet<u64>,
    channels: &[Value],
) -> Vec<Place> {
    let everywhere = |wanted: &dyn Fn(u64) -> bool| {
        let spoken = channels.iter().filter(|channel| {
            channel["type"]
                .as_u64()
                .is_some_and(|kind| SPOKEN_IN.contains(&kind))
        });
        let ids: Vec<u64> = spoken.filter_map(|channel| id(&channel["id"])).collect();
        let ids = ids.into_iter().filter(|channel| wanted(*channel));
        ids.flat_map(|channel| {
            critical.iter().map(move |role| Place {
                channel,
                role: *role,
                wanted: SPEAKING,
            })
        })
        .collect()
    };
    match kind {
        Kind::Quick => critical
            .iter()
            .map(|role| Place {
                channel: 0,
                role: *role,
                wanted: !bits::VIEW_CHANNEL,
            })
            .collect(),
        Kind::Traditional => everywhere(&|_| true),
        Kind::Channel => everywhere(&|channel| Some(channel) == one),
    }
}

/// Whether a lock of this one channel locks anything: a thread and a category have no voice of their own,
/// and what cannot be seen cannot be locked.
pub(super) fn is_lockable(channel: u64, channels: &[Value]) -> bool {
    let anybody = BTreeSet::from([0]);
    !places(Kind::Channel, Some(channel), &anybody, channels).is_empty()
}

/// Roles that would still speak in a quick lock: they let people write by themselves.
pub(super) fn still_speaking(critical: &BTreeSet<u64>, roles: &[Value]) -> Vec<u64> {
    let others = roles.iter().filter_map(|role| {
        let role_id = id(&role["id"])?;
        let speaks = bit_set(&role["permissions"]) & bits::SEND_MESSAGES != 0;
        let staff = bit_set(&role["permissions"]) & STAFF != 0;
        let is_bots = role["managed"] == true;
        (speaks && !staff && !is_bots && !critical.contains(&role_id)).then_some(role_id)
    });
    others.collect()
}

/// Roles of the staff that fall silent with the members: what is denied to everyone in a channel beats what
/// a role may in the whole server, and only what the channel itself allows the role beats that.
pub(super) fn silenced_staff(
    (kind, one): (Kind, Option<u64>),
    critical: &BTreeSet<u64>,
    channels: &[Value],
    roles: &[Value],
) -> Vec<u64> {
    let locked = places(kind, one, critical, channels);
    let locked: BTreeSet<u64> = locked.iter().map(|place| place.channel).collect();
    let locked: Vec<&Value> = channels
        .iter()
        .filter(|channel| id(&channel["id"]).is_some_and(|id| locked.contains(&id)))
        .collect();
    let staff = roles.iter().filter_map(|role| {
        let role_id = id(&role["id"])?;
        let held = bit_set(&role["permissions"]);
        let is_staff = held & STAFF != 0 && held & bits::ADMINISTRATOR == 0;
        let is_bots = role["managed"] == true;
        let is_silent = locked.iter().any(|channel| !allows(channel, role_id));
        (is_staff && is_silent && !is_bots && !critical.contains(&role_id)).then_some(role_id)
    });
    staff.collect()
}

/// Whether a channel lets a role speak, whatever everyone may there.
fn allows(channel: &Value, role: u64) -> bool {
    let connects = channel["type"]
        .as_u64()
        .is_some_and(|kind| CONNECTED_TO.contains(&kind));
    let voice = match connects {
        true => bits::CONNECT,
        false => bits::SEND_MESSAGES,
    };
    let mut overwrites = array(&channel["permission_overwrites"]).iter();
    let own = overwrites.find(|overwrite| id(&overwrite["id"]) == Some(role));
    own.is_some_and(|own| bit_set(&own["allow"]) & voice != 0)
}

/// Whoever holds one of these is to speak in a lock: they run the server.
const STAFF: u64 = bits::ADMINISTRATOR
    | bits::MANAGE_GUILD
    | bits::MANAGE_CHANNELS
    | bits::MANAGE_ROLES
    | bits::BAN_MEMBERS
    | bits::KICK_MEMBERS
    | bits::MODERATE_MEMBERS;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_lock_is_about_channels_in_which_people_speak() {
        let channels = [
            json!({"id": "10", "type": 0}),
            json!({"id": "11", "type": 2}),
            json!({"id": "12", "type": 4}),
        ];
        let critical = BTreeSet::from([1, 5]);
        let of = |kind, one| places(kind, one, &critical, &channels);
        assert_eq!(of(Kind::Traditional, None).len(), 4, "no category");
        let one = of(Kind::Channel, Some(11));
        assert!(
            one.iter()
                .all(|place| place.channel == 11 && place.wanted == SPEAKING)
        );
        assert_eq!(one.len(), 2);
        assert_eq!(of(Kind::Channel, Some(99)), []);
        assert!(is_lockable(10, &channels) && is_lockable(11, &channels));
        assert!(!is_lockable(12, &channels), "a category");
        assert!(!is_lockable(99, &channels), "a thread, or out of sight");
        let quick = of(Kind::Quick, None);
        assert!(quick.iter().all(|place| place.channel == 0));
        assert_eq!(quick[0].wanted & bits::VIEW_CHANNEL, 0);
    }

    #[test]
    fn staff_is_silent_where_no_channel_lets_them_speak() {
        let role = |id: &str, permissions: u64, managed: bool| json!({"id": id, "permissions": permissions.to_string(), "managed": managed});
        let roles = [
            role("1", bits::SEND_MESSAGES, false),
            role("2", bits::BAN_MEMBERS | bits::SEND_MESSAGES, false),
            role("3", bits::KICK_MEMBERS, false),
            role("4", bits::ADMINISTRATOR, false),
            role("5", bits::KICK_MEMBERS, true),
        ];
        let allowed =
            |bit: u64| json!([{"id": "2", "type": 0, "allow": bit.to_string(), "deny": "0"}]);
        let channels = [
            json!({"id": "10", "type": 0, "permission_overwrites": allowed(bits::SEND_MESSAGES)}),
            json!({"id": "11", "type": 2, "permission_overwrites": allowed(bits::SEND_MESSAGES)}),
            json!({"id": "12", "type": 2, "permission_overwrites": allowed(bits::CONNECT)}),
        ];
        let critical = BTreeSet::from([1]);
        let of = |kind, one| silenced_staff((kind, one), &critical, &channels, &roles);
        assert_eq!(of(Kind::Channel, Some(10)), [3]);
        assert_eq!(of(Kind::Channel, Some(11)), [2, 3], "nobody connects");
        assert_eq!(of(Kind::Channel, Some(12)), [3]);
        assert_eq!(of(Kind::Traditional, None), [2, 3]);
        assert!(of(Kind::Quick, None).is_empty(), "roles keep what they may");
    }

    #[test]
    fn a_role_with_a_voice_of_its_own_opens_a_quick_lock() {
        let role = |id: &str, permissions: u64, managed: bool| json!({"id": id, "permissions": permissions.to_string(), "managed": managed});
        let roles = [
            role("1", bits::SEND_MESSAGES, false),
            role("2", bits::SEND_MESSAGES, false),
            role("3", bits::SEND_MESSAGES | bits::BAN_MEMBERS, false),
            role("4", bits::SEND_MESSAGES, true),
            role("5", 0, false),
        ];
        assert_eq!(still_speaking(&BTreeSet::from([1]), &roles), [2]);
    }
}
