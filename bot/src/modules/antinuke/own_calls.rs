//! What this process does to servers, so that its entries in their audit logs are known for its own.
//!
//! Calls of protection and of jobs carry a mark in their reason. Some routes take no reason, and
//! reasons of other modules are people's words: those calls are remembered until their entries come.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::Method;
use serde_json::Value;
use splashtail_core::clock::SharedClock;
use splashtail_discord::Witness;
use splashtail_guild::Id;

/// How late an entry may come, by the clock of this process.
const KEPT: Duration = Duration::from_secs(60);
/// Discord takes 50 calls a second of a bot.
const MOST: usize = 4096;
/// Entry and call may be so far apart by Discord's clock.
const APART: Duration = Duration::from_secs(10);

/// One call, as far as its entry can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Made {
    actions: &'static [u16],
    place: Place,
    /// The entry's target, where the path names it.
    target: Option<Id>,
}

/// What a path begins with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Guild(Id),
    Channel(Id),
    /// Something that tells no place.
    Elsewhere,
}

/// The calls of the last minute.
pub(super) struct OwnCalls {
    clock: SharedClock,
    recent: Mutex<VecDeque<(Duration, Made)>>,
}

impl Witness for OwnCalls {
    fn sends(&self, method: &Method, path: &str) {
        let Some(made) = made(method, path) else {
            return;
        };
        let now = self.clock.monotonic();
        let mut recent = self.lock();
        while recent
            .front()
            .is_some_and(|(at, _)| now.saturating_sub(*at) > KEPT)
            || recent.len() >= MOST
        {
            recent.pop_front();
        }
        recent.push_back((now, made));
    }
}

impl OwnCalls {
    pub(super) fn new(clock: SharedClock) -> Self {
        Self {
            clock,
            recent: Mutex::default(),
        }
    }

    /// How long ago this process made the call that an entry in the bot's name tells of. `age`: how
    /// old the entry is.
    pub(super) fn find(&self, guild: Id, entry: &Value, age: Duration) -> Option<Duration> {
        let now = self.clock.monotonic();
        let recent = self.lock();
        let ages = recent
            .iter()
            .rev()
            .filter(|(_, made)| made.explains(guild, entry));
        let mut ages = ages.map(|(at, _)| now.saturating_sub(*at));
        ages.find(|ago| ago.abs_diff(age) <= APART)
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Duration, Made)>> {
        self.recent.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Made {
    fn explains(&self, guild: Id, entry: &Value) -> bool {
        let action = entry["action_type"].as_u64();
        let action = action.and_then(|action| u16::try_from(action).ok());
        if !action.is_some_and(|action| self.actions.contains(&action)) {
            return false;
        }
        let target = Id::read(&entry["target_id"]);
        if let Some(named) = self.target
            && target.is_some_and(|target| target != named)
        {
            return false;
        }
        let here = match self.place {
            Place::Guild(place) => return place == guild,
            Place::Channel(here) if self.target.is_none() => here,
            Place::Channel(_) | Place::Elsewhere => return true,
        };
        let changes = entry["changes"].as_array().into_iter().flatten();
        let new = changes.filter(|change| change["key"] == "channel_id");
        let mut channels = new
            .map(|change| &change["new_value"])
            .chain([&entry["options"]["channel_id"]])
            .filter_map(Id::read)
            .peekable();
        // A thread's entry does not say where it was made.
        channels.peek().is_none() || channels.any(|channel| channel == here)
    }
}

/// What a call leaves in the audit log (Discord docs, "Audit Log Events"); `None` when nothing.
fn made(method: &Method, path: &str) -> Option<Made> {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let id = |place: usize| parts.get(place).and_then(|part| part.parse::<Id>().ok());
    let [first, _, rest @ ..] = parts.as_slice() else {
        return None;
    };
    let (place, last) = (id(1), id(parts.len() - 1));
    let (actions, target): (&[u16], Option<Id>) = match (method.as_str(), *first, rest) {
        ("PATCH", "guilds", [] | ["widget" | "vanity-url" | "welcome-screen"]) => (&[1], place),
        ("POST", "guilds", ["channels"]) => (&[10], None),
        ("PATCH", "guilds", ["channels"]) => (&[11, 13, 14, 15], None),
        ("POST", "guilds", ["prune"]) => (&[21], None),
        ("PUT", "guilds", ["bans", _]) => (&[22], last),
        ("DELETE", "guilds", ["bans", _]) => (&[23], last),
        ("POST", "guilds", ["bulk-ban"]) => (&[22], None),
        ("DELETE", "guilds", ["members", _]) => (&[20], last),
        ("PATCH", "guilds", ["members", _]) => (&[24, 25, 26, 27], last),
        ("PUT" | "DELETE", "guilds", ["members", _, "roles", _]) => (&[25], id(3)),
        ("POST", "guilds", ["roles"]) => (&[30], None),
        ("PATCH", "guilds", ["roles"]) => (&[31], None),
        ("PATCH", "guilds", ["roles", _]) => (&[31], last),
        ("DELETE", "guilds", ["roles", _]) => (&[32], last),
        ("POST", "guilds", ["emojis"]) => (&[60], None),
        ("PATCH", "guilds", ["emojis", _]) => (&[61], last),
        ("DELETE", "guilds", ["emojis", _]) => (&[62], last),
        ("POST", "guilds", ["stickers"]) => (&[90], None),
        ("PATCH", "guilds", ["stickers", _]) => (&[91], last),
        ("DELETE", "guilds", ["stickers", _]) => (&[92], last),
        ("POST", "guilds", ["soundboard-sounds"]) => (&[130], None),
        ("PATCH", "guilds", ["soundboard-sounds", _]) => (&[131], last),
        ("DELETE", "guilds", ["soundboard-sounds", _]) => (&[132], last),
        ("DELETE", "guilds", ["integrations", _]) => (&[82], last),
        ("POST", "guilds", ["scheduled-events"]) => (&[100], None),
        ("PATCH", "guilds", ["scheduled-events", _]) => (&[101], last),
        ("DELETE", "guilds", ["scheduled-events", _]) => (&[102], last),
        (_, "guilds", ["scheduled-events", _, "exceptions", ..]) => (&[200, 201, 202], None),
        ("POST", "guilds", ["auto-moderation", "rules"]) => (&[140], None),
        ("PATCH", "guilds", ["auto-moderation", "rules", _]) => (&[141], last),
        ("DELETE", "guilds", ["auto-moderation", "rules", _]) => (&[142], last),
        ("PUT", "guilds", ["onboarding"]) => (&[163, 164, 165, 166, 167], None),
        ("PATCH", "guilds", ["member-verification"]) => (&[210], None),
        ("PUT" | "PATCH", "guilds", ["new-member-welcome"]) => (&[190, 191], None),
        ("PATCH", "channels", []) => (&[11, 13, 14, 15, 111], place),
        ("DELETE", "channels", []) => (&[12, 112], place),
        ("PUT" | "DELETE", "channels", ["permissions", _]) => (&[13, 14, 15], place),
        ("POST", "channels", ["invites"]) => (&[40], None),
        ("POST", "channels", ["webhooks"]) => (&[50], None),
        ("POST", "channels", ["threads"] | ["messages", _, "threads"]) => (&[110], None),
        ("DELETE", "channels", ["messages", _]) => (&[72], None),
        ("POST", "channels", ["messages", "bulk-delete"]) => (&[73], place),
        ("PUT", "channels", ["pins", _] | ["messages", "pins", _]) => (&[74], None),
        ("DELETE", "channels", ["pins", _] | ["messages", "pins", _]) => (&[75], None),
        ("PATCH", "webhooks", []) => (&[51], place),
        ("DELETE", "webhooks", []) => (&[52], place),
        ("PATCH", "stage-instances", []) => (&[84], None),
        ("DELETE", "stage-instances", []) => (&[85], None),
        ("PUT", "applications", ["guilds", _, "commands", ..]) => (&[121], None),
        // Its code is no id, and its entry has no target.
        ("DELETE", "invites", []) => (&[42], None),
        _ => return None,
    };
    let place = match *first {
        "guilds" => Place::Guild(place?),
        "applications" => Place::Guild(id(3)?),
        "channels" => Place::Channel(place?),
        _ => Place::Elsewhere,
    };
    Some(Made {
        actions,
        place,
        target,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_core::clock::ManualClock;

    use super::*;

    const GUILD: Id = Id::new(10);

    fn calls() -> (ManualClock, OwnCalls) {
        let clock = ManualClock::new("2026-11-30T12:00:00Z".parse().unwrap());
        let calls = OwnCalls::new(clock.shared());
        (clock, calls)
    }

    /// Whether the call explains the entry, and no entry of another kind, target and guild.
    fn explains(method: Method, path: &str, entry: &Value) -> bool {
        let (_, calls) = calls();
        calls.sends(&method, path);
        let find = |guild, entry: &Value| calls.find(guild, entry, Duration::ZERO).is_some();
        let mut other = entry.clone();
        other["action_type"] = 28.into();
        assert!(!find(GUILD, &other), "{path}");
        find(GUILD, entry)
    }

    #[test]
    fn a_call_explains_its_entry() {
        for (method, path, action, target) in [
            (Method::PATCH, "/guilds/10", 1, "10"),
            (Method::POST, "/guilds/10/channels", 10, "77"),
            (Method::PATCH, "/channels/20", 11, "20"),
            (Method::PATCH, "/channels/20", 111, "20"),
            (Method::DELETE, "/channels/20", 12, "20"),
            (Method::PUT, "/channels/20/permissions/30", 13, "20"),
            (Method::DELETE, "/channels/20/permissions/30", 15, "20"),
            (Method::DELETE, "/guilds/10/members/30", 20, "30"),
            (Method::PUT, "/guilds/10/bans/30", 22, "30"),
            (Method::POST, "/guilds/10/bulk-ban", 22, "31"),
            (Method::PUT, "/guilds/10/members/30/roles/40", 25, "30"),
            (Method::DELETE, "/guilds/10/roles/40", 32, "40"),
            (Method::DELETE, "/guilds/10/scheduled-events/50", 102, "50"),
            (
                Method::PATCH,
                "/guilds/10/scheduled-events/50/exceptions/51",
                201,
                "51",
            ),
            (
                Method::PUT,
                "/applications/1/guilds/10/commands/2/permissions",
                121,
                "2",
            ),
            (Method::DELETE, "/webhooks/60", 52, "60"),
        ] {
            let entry = json!({"action_type": action, "target_id": target});
            assert!(explains(method, path, &entry), "{path}");
        }
    }

    #[test]
    fn it_explains_nothing_else() {
        for (method, path, action, target) in [
            (Method::DELETE, "/channels/20", 12, "21"),
            (Method::DELETE, "/guilds/10/roles/40", 32, "41"),
            (Method::DELETE, "/guilds/10/scheduled-events/50", 102, "51"),
            (Method::POST, "/channels/20/messages", 72, "1"),
            (Method::POST, "/webhooks/60/secret", 50, "1"),
            (Method::DELETE, "/webhooks/60/secret", 52, "60"),
            (Method::POST, "/interactions/1/secret/callback", 10, "1"),
        ] {
            let entry = json!({"action_type": action, "target_id": target});
            assert!(!explains(method, path, &entry), "{path}");
        }
        let (_, calls) = calls();
        calls.sends(&Method::POST, "/guilds/11/channels");
        let entry = json!({"action_type": 10, "target_id": "77"});
        assert_eq!(calls.find(GUILD, &entry, Duration::ZERO), None);
    }

    #[test]
    fn a_message_is_known_by_its_channel() {
        let deleted = |channel| json!({"action_type": 72, "target_id": "5", "options": {"channel_id": channel, "count": "1"}});
        let path = "/channels/20/messages/99";
        assert!(explains(Method::DELETE, path, &deleted("20")));
        assert!(!explains(Method::DELETE, path, &deleted("21")));
        let made = json!({"action_type": 50, "target_id": "60",
            "changes": [{"key": "channel_id", "new_value": "20"}]});
        let path = "/channels/20/webhooks";
        assert!(explains(Method::POST, path, &made));
        assert!(!explains(Method::POST, "/channels/21/webhooks", &made));
    }

    #[test]
    fn entries_of_another_time_are_not_explained() {
        let (clock, calls) = calls();
        calls.sends(&Method::DELETE, "/channels/20");
        let entry = json!({"action_type": 12, "target_id": "20"});
        clock.advance(Duration::from_secs(30));
        let find = |age| calls.find(GUILD, &entry, Duration::from_secs(age));
        assert_eq!(find(25), Some(Duration::from_secs(30)));
        assert_eq!(find(5), None, "made long after the call");
        assert_eq!(find(50), None, "made long before it");
        clock.advance(Duration::from_secs(31));
        calls.sends(&Method::DELETE, "/channels/21");
        assert_eq!(find(60), None, "forgotten");
    }
}
