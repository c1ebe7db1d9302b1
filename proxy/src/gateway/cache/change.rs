//! What each event changes of a server. Bodies are read as raw fields: what nobody knows stays.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::guild::{
    CHANNELS, EMOJIS, EVENTS, Guild, Key, ListName, MEMBERS, PRESENCES, ROLES, SOUNDS, STAGES,
    STICKERS, THREADS, VOICE_STATES, id_of,
};
use super::json::{Fields, Snowflake, elements, raw};

/// How an event changes the server that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The fields of the server itself.
    Merge,
    /// The body is an element.
    Put(ListName),
    /// A field of the body is an element.
    PutField(ListName, &'static str),
    /// The body's field names an element that is gone.
    Take(ListName, &'static str),
    /// The body's field of that name is the whole list.
    Replace(&'static str),
    Channel,
    ChannelGone,
    Thread,
    ThreadsListed,
    ThreadMembers,
    Event,
    MemberAdd,
    MemberUpdate,
    MemberGone,
    Members,
    Voice,
    Presence,
}

impl Change {
    /// `None` for events that change nothing that a GUILD_CREATE tells.
    pub fn of(name: &[u8]) -> Option<Self> {
        Some(match name {
            b"GUILD_UPDATE" => Self::Merge,
            b"GUILD_ROLE_CREATE" | b"GUILD_ROLE_UPDATE" => Self::PutField(ROLES, "role"),
            b"GUILD_ROLE_DELETE" => Self::Take(ROLES, "role_id"),
            b"CHANNEL_CREATE" | b"CHANNEL_UPDATE" => Self::Channel,
            b"CHANNEL_DELETE" => Self::ChannelGone,
            b"THREAD_CREATE" | b"THREAD_UPDATE" => Self::Thread,
            b"THREAD_DELETE" => Self::Take(THREADS, "id"),
            b"THREAD_LIST_SYNC" => Self::ThreadsListed,
            b"THREAD_MEMBERS_UPDATE" => Self::ThreadMembers,
            b"GUILD_EMOJIS_UPDATE" => Self::Replace(EMOJIS.field),
            b"GUILD_STICKERS_UPDATE" => Self::Replace(STICKERS.field),
            b"GUILD_SOUNDBOARD_SOUNDS_UPDATE" => Self::Replace(SOUNDS.field),
            b"GUILD_SOUNDBOARD_SOUND_CREATE" | b"GUILD_SOUNDBOARD_SOUND_UPDATE" => {
                Self::Put(SOUNDS)
            }
            b"GUILD_SOUNDBOARD_SOUND_DELETE" => Self::Take(SOUNDS, "sound_id"),
            b"STAGE_INSTANCE_CREATE" | b"STAGE_INSTANCE_UPDATE" => Self::Put(STAGES),
            b"STAGE_INSTANCE_DELETE" => Self::Take(STAGES, "id"),
            b"GUILD_SCHEDULED_EVENT_CREATE" | b"GUILD_SCHEDULED_EVENT_UPDATE" => Self::Event,
            b"GUILD_SCHEDULED_EVENT_DELETE" => Self::Take(EVENTS, "id"),
            b"GUILD_MEMBER_ADD" => Self::MemberAdd,
            b"GUILD_MEMBER_UPDATE" => Self::MemberUpdate,
            b"GUILD_MEMBER_REMOVE" => Self::MemberGone,
            b"GUILD_MEMBERS_CHUNK" => Self::Members,
            b"VOICE_STATE_UPDATE" => Self::Voice,
            b"PRESENCE_UPDATE" => Self::Presence,
            _ => return None,
        })
    }

    /// Whether whoever is shown the server afterwards need not hear of the event. Joins, departures
    /// and edits of members are news about people who may not be shown.
    pub fn is_shown(self) -> bool {
        !matches!(
            self,
            Self::MemberAdd
                | Self::MemberUpdate
                | Self::MemberGone
                | Self::Members
                | Self::Presence
        )
    }
}

/// Which members are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// The bot itself.
    pub own: u64,
    /// All that are told of, not only the bot and those in voice channels.
    pub members: bool,
    pub presences: bool,
}

impl Keep {
    fn keeps(self, guild: &Guild, user: u64) -> bool {
        self.members || user == self.own || guild.element(VOICE_STATES, user).is_some()
    }
}

/// # Errors
/// The body is not what it is said to be; nothing has changed.
pub fn apply(guild: &mut Guild, change: Change, body: &str, keep: Keep) -> serde_json::Result<()> {
    let fields = Fields::read(body)?;
    match change {
        Change::Merge => guild.merge(&fields),
        Change::Put(list) => put(guild, list, fields.without(&["guild_id"])),
        Change::PutField(list, field) => {
            if let Some(element) = fields.get(field)
                && let Some(id) = id_of(list.key, element)
            {
                guild.put(list, id, element.to_owned());
            }
        }
        Change::Take(list, field) => {
            if let Some(id) = id_in(&fields, field) {
                guild.take(list, id);
            }
        }
        Change::Replace(field) => {
            if let Some(list) = fields.get(field) {
                guild.set(field, list);
            }
        }
        Change::Channel => put(guild, CHANNELS, fields.without(&["guild_id"])),
        Change::ChannelGone => {
            if let Some(id) = id_in(&fields, "id") {
                guild.take(CHANNELS, id);
                guild.retain(THREADS, |_, thread| parent_of(thread) != Some(id));
            }
        }
        Change::Thread => thread(guild, fields),
        Change::ThreadsListed => threads_listed(guild, &fields)?,
        Change::ThreadMembers => thread_members(guild, &fields)?,
        Change::Event => {
            // Completed and cancelled ones (3, 4) are listed no more.
            let over = fields
                .get("status")
                .is_some_and(|status| matches!(status.get(), "3" | "4"));
            match id_in(&fields, "id") {
                Some(id) if over => guild.take(EVENTS, id),
                _ => put(guild, EVENTS, fields),
            }
        }
        Change::MemberAdd => {
            count(guild, 1);
            member(guild, fields, keep, true);
        }
        Change::MemberUpdate => member(guild, fields, keep, false),
        Change::MemberGone => {
            count(guild, -1);
            if let Some(user) = user_in(&fields) {
                guild.take(MEMBERS, user);
                guild.take(VOICE_STATES, user);
                guild.take(PRESENCES, user);
            }
        }
        Change::Members => {
            if keep.members
                && let Some(members) = fields.get("members")
            {
                for member in elements(members)? {
                    if let Some(user) = id_of(Key::User, member) {
                        guild.put(MEMBERS, user, member.to_owned());
                    }
                }
            }
        }
        Change::Voice => voice(guild, fields, keep),
        Change::Presence => {
            if keep.presences
                && let Some(user) = user_in(&fields)
            {
                match fields.get("status").map(RawValue::get) {
                    Some("\"offline\"") => guild.take(PRESENCES, user),
                    _ => put(guild, PRESENCES, fields.without(&["guild_id"])),
                }
            }
        }
    }
    Ok(())
}

fn put(guild: &mut Guild, list: ListName, fields: Fields<'_>) {
    let Some(element) = raw(fields.write()) else {
        return;
    };
    if let Some(id) = id_of(list.key, &element) {
        guild.put(list, id, element);
    }
}

fn id_in(fields: &Fields<'_>, field: &str) -> Option<u64> {
    let value = fields.get(field)?;
    Some(serde_json::from_str::<Snowflake>(value.get()).ok()?.0)
}

fn user_in(fields: &Fields<'_>) -> Option<u64> {
    id_of(Key::Id, fields.get("user")?)
}

fn parent_of(thread: &RawValue) -> Option<u64> {
    #[derive(Deserialize)]
    struct Parent {
        parent_id: Snowflake,
    }
    Some(
        serde_json::from_str::<Parent>(thread.get())
            .ok()?
            .parent_id
            .0,
    )
}

fn thread(guild: &mut Guild, fields: Fields<'_>) {
    #[derive(Deserialize)]
    struct Metadata {
        archived: bool,
    }
    let Some(id) = id_in(&fields, "id") else {
        return;
    };
    let archived = fields
        .get("thread_metadata")
        .and_then(|metadata| serde_json::from_str::<Metadata>(metadata.get()).ok())
        .is_some_and(|metadata| metadata.archived);
    if archived {
        return guild.take(THREADS, id);
    }
    let mut fields = fields.without(&["newly_created"]);
    // An update does not repeat that the bot is in it.
    let before = guild.element(THREADS, id).map(ToOwned::to_owned);
    let member = before
        .as_deref()
        .and_then(|thread| Fields::read(thread.get()).ok()?.get("member"));
    if let Some(member) = member
        && fields.get("member").is_none()
    {
        fields.set("member", member);
    }
    put(guild, THREADS, fields);
}

fn threads_listed(guild: &mut Guild, fields: &Fields<'_>) -> serde_json::Result<()> {
    // Absent: all of the server.
    let parents: Option<Vec<Snowflake>> = match fields.get("channel_ids") {
        Some(ids) => serde_json::from_str(ids.get())?,
        None => None,
    };
    guild.retain(THREADS, |_, thread| match (&parents, parent_of(thread)) {
        (Some(parents), Some(parent)) => !parents.contains(&Snowflake(parent)),
        (Some(_), None) => true,
        (None, _) => false,
    });
    if let Some(threads) = fields.get("threads") {
        for thread in elements(threads)? {
            if let Some(id) = id_of(Key::Id, thread) {
                guild.put(THREADS, id, thread.to_owned());
            }
        }
    }
    Ok(())
}

fn thread_members(guild: &mut Guild, fields: &Fields<'_>) -> serde_json::Result<()> {
    let Some((id, members)) = id_in(fields, "id").zip(fields.get("member_count")) else {
        return Ok(());
    };
    let Some(before) = guild.element(THREADS, id).map(ToOwned::to_owned) else {
        return Ok(());
    };
    let mut thread = Fields::read(before.get())?;
    thread.set("member_count", members);
    put(guild, THREADS, thread);
    Ok(())
}

fn count(guild: &mut Guild, by: i64) {
    let members = guild.get("member_count");
    let members = members.and_then(|count| count.get().parse::<i64>().ok());
    if let Some(count) = members.and_then(|count| raw((count + by).max(0).to_string())) {
        guild.set("member_count", &count);
    }
}

fn member(guild: &mut Guild, fields: Fields<'_>, keep: Keep, whole: bool) {
    let Some(user) = user_in(&fields) else {
        return;
    };
    let before = guild.element(MEMBERS, user).map(ToOwned::to_owned);
    if before.is_none() && !(whole && keep.keeps(guild, user)) {
        return;
    }
    let fields = fields.without(&["guild_id"]);
    let known = before
        .as_deref()
        .and_then(|member| Fields::read(member.get()).ok());
    let text = match known {
        // An update leaves out what did not change.
        Some(mut known) if !whole => {
            for (name, value) in fields.0 {
                match known.0.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, place)) => *place = value,
                    None => known.0.push((name, value)),
                }
            }
            known.write()
        }
        _ => fields.write(),
    };
    if let Some(member) = raw(text) {
        guild.put(MEMBERS, user, member);
    }
}

/// Whoever is in a voice channel is shown as a member, too.
fn voice(guild: &mut Guild, fields: Fields<'_>, keep: Keep) {
    let Some(user) = id_in(&fields, "user_id") else {
        return;
    };
    let left = fields
        .get("channel_id")
        .is_none_or(|channel| channel.get() == "null");
    if left {
        guild.take(VOICE_STATES, user);
        if !keep.keeps(guild, user) {
            guild.take(MEMBERS, user);
        }
        return;
    }
    if let Some(member) = fields.get("member") {
        guild.put(MEMBERS, user, member.to_owned());
    }
    put(guild, VOICE_STATES, fields.without(&["guild_id", "member"]));
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const KEEP: Keep = Keep {
        own: 9,
        members: false,
        presences: false,
    };

    fn after(events: &[(&str, Value)]) -> Value {
        let body = json!({
            "id": "1", "name": "a", "member_count": 2, "joined_at": "x", "future": {"k": 1},
            "roles": [{"id": "1"}], "channels": [{"id": "3", "type": 0}],
            "threads": [{"id": "30", "parent_id": "3", "member": {"flags": 1}, "member_count": 1}],
            "members": [{"user": {"id": "9"}, "nick": null, "extra": 1}], "voice_states": [],
            "emojis": [], "guild_scheduled_events": [],
        });
        let mut guild = Guild::read(&body.to_string()).unwrap();
        for (name, body) in events {
            let change = Change::of(name.as_bytes()).unwrap();
            apply(&mut guild, change, &body.to_string(), KEEP).unwrap();
        }
        serde_json::from_str(&guild.write()).unwrap()
    }

    #[test]
    fn the_server_and_its_lists_follow_the_events() {
        let guild = after(&[
            (
                "GUILD_UPDATE",
                json!({"id": "1", "name": "b", "roles": [{"id": "1", "new": 1}]}),
            ),
            (
                "GUILD_ROLE_CREATE",
                json!({"guild_id": "1", "role": {"id": "2", "odd": []}}),
            ),
            (
                "GUILD_ROLE_CREATE",
                json!({"guild_id": "1", "role": {"id": "5"}}),
            ),
            (
                "GUILD_ROLE_DELETE",
                json!({"guild_id": "1", "role_id": "5"}),
            ),
            (
                "CHANNEL_CREATE",
                json!({"id": "4", "guild_id": "1", "flags": 131_072}),
            ),
            (
                "GUILD_EMOJIS_UPDATE",
                json!({"guild_id": "1", "emojis": [{"id": "6"}]}),
            ),
        ]);
        assert_eq!(guild["name"], "b");
        assert_eq!(
            (&guild["joined_at"], &guild["future"]["k"]),
            (&json!("x"), &json!(1))
        );
        assert_eq!(
            guild["roles"],
            json!([{"id": "1", "new": 1}, {"id": "2", "odd": []}])
        );
        assert_eq!(guild["channels"][1], json!({"id": "4", "flags": 131_072}));
        assert_eq!(guild["emojis"], json!([{"id": "6"}]));
    }

    #[test]
    fn threads_end_with_their_channel_and_when_archived() {
        let kept = after(&[
            (
                "THREAD_UPDATE",
                json!({"id": "30", "guild_id": "1", "parent_id": "3", "name": "n", "thread_metadata": {"archived": false}}),
            ),
            (
                "THREAD_MEMBERS_UPDATE",
                json!({"id": "30", "guild_id": "1", "member_count": 7}),
            ),
        ]);
        assert_eq!(kept["threads"][0]["member"], json!({"flags": 1}));
        assert_eq!(kept["threads"][0]["name"], "n");
        let gone = after(&[("CHANNEL_DELETE", json!({"id": "3", "guild_id": "1"}))]);
        assert_eq!(
            (&gone["channels"], &gone["threads"]),
            (&json!([]), &json!([]))
        );
        let archived = json!({"id": "30", "parent_id": "3", "thread_metadata": {"archived": true}});
        assert_eq!(after(&[("THREAD_UPDATE", archived)])["threads"], json!([]));
        let synced = json!({"guild_id": "1", "threads": [{"id": "31", "parent_id": "3"}]});
        let synced = after(&[("THREAD_LIST_SYNC", synced)]);
        assert_eq!(synced["threads"], json!([{"id": "31", "parent_id": "3"}]));
    }

    #[test]
    fn only_the_bot_and_those_in_voice_channels_are_members() {
        let member = |id: &str| json!({"user": {"id": id}, "roles": []});
        let joined = json!({"guild_id": "1", "user": {"id": "7"}});
        let spoke =
            json!({"guild_id": "1", "channel_id": "3", "user_id": "8", "member": member("8")});
        let guild = after(&[
            ("GUILD_MEMBER_ADD", joined),
            ("VOICE_STATE_UPDATE", spoke.clone()),
            (
                "GUILD_MEMBER_UPDATE",
                json!({"guild_id": "1", "user": {"id": "9"}, "nick": "n"}),
            ),
        ]);
        assert_eq!(guild["member_count"], 3);
        assert_eq!(
            guild["members"],
            json!([{"user": {"id": "9"}, "nick": "n", "extra": 1}, member("8")])
        );
        assert_eq!(
            guild["voice_states"],
            json!([{"channel_id": "3", "user_id": "8"}])
        );
        let left = json!({"guild_id": "1", "channel_id": null, "user_id": "8"});
        let guild = after(&[("VOICE_STATE_UPDATE", spoke), ("VOICE_STATE_UPDATE", left)]);
        assert_eq!(guild["voice_states"], json!([]));
        assert_eq!(guild["members"].as_array().unwrap().len(), 1);
    }

    #[test]
    fn an_event_that_is_over_is_listed_no_more() {
        let event = |status: u8| json!({"id": "5", "guild_id": "1", "status": status});
        let one = after(&[("GUILD_SCHEDULED_EVENT_CREATE", event(1))]);
        assert_eq!(one["guild_scheduled_events"], json!([event(1)]));
        let over = [
            ("GUILD_SCHEDULED_EVENT_CREATE", event(1)),
            ("GUILD_SCHEDULED_EVENT_UPDATE", event(3)),
        ];
        assert_eq!(after(&over)["guild_scheduled_events"], json!([]));
    }
}
