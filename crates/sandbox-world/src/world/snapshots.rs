//! What a gateway session is told about the state of things: READY, GUILD_CREATE, member chunks.

use serde_json::{Value, json};

use super::permissions as perm;
use super::{Guild, Id, Member, Role, World, compact, intent};

/// Guilds on one shard beyond which identify is refused (4011).
pub const MAX_GUILDS_PER_SHARD: usize = 2_500;
/// Guilds above this size never send everyone.
const LARGE_GUILD: usize = 75_000;
/// No world needs more shards.
const MAX_RECOMMENDED: u32 = 1_024;
/// Members per GUILD_MEMBERS_CHUNK.
const CHUNK: usize = 1000;

/// Opcode 8.
#[derive(Debug, Clone)]
pub enum MemberQuery {
    /// Members whose username or nickname starts with `query`; a limit of 0 means all.
    Prefix {
        query: String,
        limit: usize,
    },
    Users(Vec<Id>),
}

/// An answer to opcode 8 that is being written.
#[derive(Debug)]
pub struct MembersAsked {
    pub guild: Id,
    found: Vec<Id>,
    not_found: Vec<Id>,
    presences: bool,
    nonce: Option<String>,
}

impl MembersAsked {
    /// How many chunks there are; at least one.
    pub fn chunks(&self) -> usize {
        self.found.len().div_ceil(CHUNK).max(1)
    }
}

impl World {
    /// Guilds of an application's bot that a shard serves, ascending.
    pub fn guilds_of(&self, app: Id, (shard, count): (u32, u32)) -> Vec<Id> {
        let Some(app) = self.apps.get(&app) else {
            return Vec::new();
        };
        let served = self.guilds.values().filter(|g| g.id.shard(count) == shard);
        served
            .filter(|g| g.bots.binary_search(&app.bot).is_ok())
            .map(|g| g.id)
            .collect()
    }

    /// Shards to recommend to an application: what the world says, or the fewest from there on with
    /// which every shard may identify.
    pub fn shards_needed(&self, app: Id) -> u32 {
        let recommended = self.apps.get(&app).map_or(1, |a| a.shards.max(1));
        let fits = |count: &u32| {
            (0..*count)
                .all(|shard| self.guilds_of(app, (shard, *count)).len() <= MAX_GUILDS_PER_SHARD)
        };
        (recommended..=MAX_RECOMMENDED)
            .find(fits)
            .unwrap_or(recommended)
    }

    /// The `d` of READY. `shard` as identified, absent when the client gave none.
    pub fn ready_payload(
        &self,
        app: Id,
        shard: Option<(u32, u32)>,
        session_id: &str,
        resume_url: &str,
    ) -> Value {
        let guilds = self.guilds_of(app, shard.unwrap_or((0, 1)));
        let guilds: Vec<Value> = guilds
            .iter()
            .map(|g| json!({"id": g, "unavailable": true}))
            .collect();
        let (bot, flags) = self.apps.get(&app).map_or((Id(0), 0), |a| (a.bot, a.flags));
        let mut user = self
            .users
            .get(&bot)
            .map_or(Value::Null, |u| u.private_json(true));
        user["email"] = Value::Null;
        let mut ready = json!({
            "v": 10,
            "user_settings": {},
            "user": user,
            "session_type": "normal",
            "session_id": session_id,
            "resume_gateway_url": resume_url,
            "relationships": [],
            "private_channels": [],
            "presences": [],
            "guilds": guilds,
            "guild_join_requests": [],
            "geo_ordered_rtc_regions": [],
            "application": {"id": app, "flags": flags},
            "_trace": [],
        });
        if let Some((id, count)) = shard {
            ready["shard"] = json!([id, count]);
        }
        ready
    }

    /// The `d` of GUILD_CREATE for one bot's session; `None` when the bot is not in the guild, or
    /// the guild is out. Members, of which there may be thousands, are written straight.
    pub fn guild_create_text(
        &self,
        guild: Id,
        bot: Id,
        intents: u64,
        large_threshold: usize,
    ) -> Option<String> {
        let guild = self.guilds.get(&guild).filter(|g| !g.unavailable)?;
        let mut text = compact(&self.guild_create(guild, bot, intents, large_threshold)?);
        let presences_wanted = intents & intent::GUILD_PRESENCES != 0;
        let everyone = presences_wanted && guild.members.len() <= large_threshold;
        let some = presences_wanted && guild.members.len() <= LARGE_GUILD;
        let listed = |m: &&Member| {
            let prominent =
                || !m.roles.is_empty() || m.nick.is_some() || self.presences.contains_key(&m.user);
            m.user == bot || guild.voice.contains_key(&m.user) || everyone || (some && prominent())
        };
        // In place of the closing brace.
        text.pop();
        text.push_str(",\"members\":");
        self.write_members(&mut text, guild.members.values().filter(listed));
        text.push('}');
        Some(text)
    }

    fn write_members<'w>(&'w self, text: &mut String, members: impl Iterator<Item = &'w Member>) {
        let mut before = '[';
        for member in members {
            text.push(before);
            // Only maps whose keys are no strings cannot be written, and a member has none.
            text.push_str(&serde_json::to_string(&self.member_view(member)).unwrap_or_default());
            before = ',';
        }
        if before == '[' {
            text.push('[');
        }
        text.push(']');
    }

    /// All of it but the members.
    fn guild_create(
        &self,
        guild: &Guild,
        bot: Id,
        intents: u64,
        large_threshold: usize,
    ) -> Option<Value> {
        let own = guild.members.get(&bot)?;
        let presences_wanted = intents & intent::GUILD_PRESENCES != 0;
        let mut json = self.guild_json(guild);
        let now = self.now();
        let mut channels = Vec::with_capacity(guild.channels.len());
        let seen = self.seen_by(guild, bot);
        for id in &guild.channels {
            let Some(channel) = self.channels.get(id) else {
                continue;
            };
            let json = self.channel_as_seen(channel, seen.contains(id));
            channels.push(without_guild(json));
        }
        let threads: Vec<Value> = guild
            .threads
            .iter()
            .filter_map(|id| self.channels.get(id))
            .filter(|c| c.thread.as_ref().is_some_and(|t| !t.archived))
            .filter(|c| {
                let parent = c.parent_id.and_then(|p| self.channels.get(&p));
                perm::in_channel(guild, c, parent, bot, now) & perm::VIEW_CHANNEL != 0
            })
            .map(|c| self.thread_json_for(c, bot))
            .collect();
        let presences: Vec<Value> = if presences_wanted {
            let shown = guild
                .members
                .keys()
                .filter_map(|u| Some((u, self.presences.get(u)?)));
            shown
                .filter(|(_, p)| p.status != "offline")
                .map(|(u, p)| p.json(*u, None))
                .collect()
        } else {
            Vec::new()
        };
        let voice: Vec<Value> = guild
            .voice
            .values()
            .map(|v| without_guild(self.voice_json(guild, v)))
            .collect();
        json["joined_at"] = json!(own.joined_at);
        json["large"] = (guild.members.len() > large_threshold).into();
        json["unavailable"] = false.into();
        json["member_count"] = guild.members.len().into();
        json["voice_states"] = voice.into();
        json["channels"] = channels.into();
        json["threads"] = threads.into();
        json["presences"] = presences.into();
        let events = self.scheduled_events(guild.id, bot);
        json["guild_scheduled_events"] = events
            .into_iter()
            .map(|e| self.scheduled_event_json(guild.id, e))
            .collect();
        let sounds = guild.sounds.values();
        json["soundboard_sounds"] = sounds.map(|s| self.sound_json(guild.id, s)).collect();
        let stages = guild.stages.values();
        json["stage_instances"] = stages.map(super::StageInstance::json).collect();
        Some(json)
    }

    /// Whom a query finds; at most one chunk of them is written at a time.
    pub fn members_asked(
        &self,
        guild: Id,
        query: &MemberQuery,
        presences: bool,
        nonce: Option<String>,
    ) -> MembersAsked {
        let (mut found, mut not_found) = (Vec::new(), Vec::new());
        if let Some(state) = self.guilds.get(&guild) {
            match query {
                MemberQuery::Users(ids) => {
                    let there = |id: &&Id| state.members.contains_key(id);
                    (found, not_found) = ids.iter().partition(there);
                }
                MemberQuery::Prefix { query, limit } => {
                    let limit = if *limit == 0 { usize::MAX } else { *limit };
                    let members = self.members_by_prefix(state, query).take(limit);
                    found = members.map(|m| m.user).collect();
                }
            }
        }
        MembersAsked {
            guild,
            found,
            not_found,
            presences,
            nonce,
        }
    }

    /// The `d` of one GUILD_MEMBERS_CHUNK. Who has left since the question is left out.
    pub fn member_chunk(&self, asked: &MembersAsked, index: usize) -> String {
        let part = asked.found.chunks(CHUNK).nth(index).unwrap_or_default();
        let state = self.guilds.get(&asked.guild);
        let members = || {
            let found = part.iter();
            found.filter_map(|user| state?.members.get(user))
        };
        let mut chunk = json!({
            "guild_id": asked.guild,
            "chunk_index": index,
            "chunk_count": asked.chunks(),
            "not_found": if index == 0 { &asked.not_found[..] } else { &[] },
        });
        if asked.presences {
            let shown = members().filter_map(|m| {
                let presence = self.presences.get(&m.user)?;
                Some(presence.json(m.user, Some(asked.guild)))
            });
            chunk["presences"] = shown.collect();
        }
        if let Some(nonce) = &asked.nonce {
            chunk["nonce"] = nonce.as_str().into();
        }
        let mut text = compact(&chunk);
        text.pop();
        text.push_str(",\"members\":");
        self.write_members(&mut text, members());
        text.push('}');
        text
    }

    /// Members whose username, display name or nickname starts with `prefix`, ignoring case.
    pub fn members_by_prefix<'a>(
        &'a self,
        guild: &'a Guild,
        prefix: &str,
    ) -> impl Iterator<Item = &'a Member> + use<'a> {
        let prefix = prefix.to_lowercase();
        guild.members.values().filter(move |m| {
            if prefix.is_empty() {
                return true;
            }
            let user = self.users.get(&m.user);
            let names = [
                m.nick.as_deref(),
                user.map(|u| u.username.as_str()),
                user.and_then(|u| u.global_name.as_deref()),
            ];
            names
                .into_iter()
                .flatten()
                .any(|n| n.to_lowercase().starts_with(&prefix))
        })
    }

    /// A description of everything, for people and tests: no secrets, no message bodies.
    pub fn dump(&self) -> Value {
        let guilds: Vec<Value> = self
            .guilds
            .values()
            .map(|g| {
                let channels: Vec<Value> = g
                    .channels
                    .iter()
                    .chain(&g.threads)
                    .filter_map(|c| self.channels.get(c))
                    .map(|c| {
                        let messages = self.messages.get(&c.id).map_or(0, |m| m.len());
                        let mut json = self.channel_json(c);
                        json["messages"] = messages.into();
                        json
                    })
                    .collect();
                let members: Vec<Value> = g.members.values().map(|m| self.member_json(m)).collect();
                json!({
                    "id": g.id,
                    "name": g.name,
                    "owner_id": g.owner_id,
                    "roles": g.roles.values().map(Role::json).collect::<Vec<_>>(),
                    "channels": channels,
                    "members": members,
                    "bans": g.bans.keys().collect::<Vec<_>>(),
                })
            })
            .collect();
        let mut users: Vec<Id> = self.users.keys().copied().collect();
        users.sort_unstable();
        json!({
            "world": self.name,
            "seed": self.seed,
            "now": self.now(),
            "applications": self.apps.values().map(|a| json!({"id": a.id, "name": a.name, "bot_id": a.bot})).collect::<Vec<_>>(),
            "users": users.iter().map(|u| self.user_json(*u)).collect::<Vec<_>>(),
            "guilds": guilds,
        })
    }
}

fn without_guild(mut json: Value) -> Value {
    if let Some(map) = json.as_object_mut() {
        map.shift_remove("guild_id");
    }
    json
}
