//! Opcode 8: member lists on request.

use std::sync::Arc;

use serde_json::{Value, json};
use splashtail_sandbox_world::world::{MemberQuery, MembersAsked, World, intent};

use super::close::Close;
use super::session::Session;
use super::{Gateway, Id, make_way};

/// Sandbox time between two requests for all members of a guild.
const ALL_MEMBERS_MS: i64 = 30_000;
/// Members a prefix query may ask for, and ids a lookup may name.
const MAX_ASKED: usize = 100;

impl Gateway {
    /// Handles op 8. Requests for guilds the session does not have are ignored.
    pub(super) fn request_members(
        self: &Arc<Self>,
        session: &Arc<Session>,
        d: &Value,
    ) -> Result<(), Close> {
        // Old clients send a list of one.
        let guild = d["guild_id"]
            .as_array()
            .map_or(&d["guild_id"], |list| &list[0]);
        let guild: Id = serde_json::from_value(guild.clone()).map_err(|_| Close::Decode)?;
        let query = read_query(d)?;
        // A nonce that is too long is dropped, not refused.
        let nonce = d["nonce"].as_str().filter(|n| n.len() <= 32);
        let presences = d["presences"] == true && session.has_intent(intent::GUILD_PRESENCES);
        let everyone = matches!(&query, MemberQuery::Prefix { query, .. } if query.is_empty());
        let all = everyone && matches!(&query, MemberQuery::Prefix { limit: 0, .. });
        let asked = self.sandbox.with_world(|world| {
            let bot = session.identity.bot;
            let mine = world
                .guilds
                .get(&guild)
                .is_some_and(|g| g.bots.contains(&bot));
            if !mine || !session.covers(guild) {
                return None;
            }
            // The first hundred are no less everybody than all of them.
            if everyone && !session.has_intent(intent::GUILD_MEMBERS) {
                return None;
            }
            if all && let Some(left_ms) = self.all_members_wait(bot, guild) {
                let told = json!({"opcode": 8, "retry_after": left_ms as f64 / 1000.0,
                    "meta": {"guild_id": guild, "nonce": nonce}});
                self.publish(session, "RATE_LIMITED", told.to_string().into(), None);
                return None;
            }
            let nonce = nonce.map(str::to_owned);
            let asked = world.members_asked(guild, &query, presences, nonce);
            self.send_chunk(world, session, &asked, 0);
            Some(asked)
        });
        if let Some(asked) = asked.filter(|asked| asked.chunks() > 1) {
            session.owe(asked.chunks() as i64 - 1);
            tokio::spawn(self.clone().send_chunks(session.clone(), asked));
        }
        Ok(())
    }

    fn send_chunk(
        &self,
        world: &World,
        session: &Arc<Session>,
        asked: &MembersAsked,
        index: usize,
    ) {
        let text = world.member_chunk(asked, index);
        self.publish(
            session,
            "GUILD_MEMBERS_CHUNK",
            text.into(),
            Some(asked.guild),
        );
    }

    /// All but the first chunk; others get at the world in between.
    async fn send_chunks(self: Arc<Self>, session: Arc<Session>, asked: MembersAsked) {
        for index in 1..asked.chunks() {
            if !session.is_ended() {
                make_way().await;
                self.sandbox.with_world(|world| {
                    // It may have ended, and its world too.
                    if !session.is_ended() {
                        self.send_chunk(world, &session, &asked, index);
                    }
                });
            }
            session.owe(-1);
        }
    }

    /// Counts a request for everyone; the milliseconds to wait when it comes too early.
    fn all_members_wait(&self, bot: Id, guild: Id) -> Option<i64> {
        let now_ms = self.sandbox.clock.steady_ms();
        let mut registry = self.registry();
        let last = registry.all_members.get(&(bot, guild)).copied();
        let passed = last.map(|at| now_ms - at);
        match passed {
            Some(ms) if (0..ALL_MEMBERS_MS).contains(&ms) => Some(ALL_MEMBERS_MS - ms),
            _ => {
                registry.all_members.insert((bot, guild), now_ms);
                None
            }
        }
    }
}

fn read_query(d: &Value) -> Result<MemberQuery, Close> {
    if !d["user_ids"].is_null() {
        let ids = &d["user_ids"];
        let ids: Vec<Id> = serde_json::from_value(ids.clone())
            .or_else(|_| serde_json::from_value(ids.clone()).map(|one: Id| vec![one]))
            .map_err(|_| Close::Decode)?;
        return Ok(MemberQuery::Users(
            ids.into_iter().take(MAX_ASKED).collect(),
        ));
    }
    let query = d["query"].as_str().ok_or(Close::Decode)?.to_owned();
    let limit = d["limit"].as_u64().ok_or(Close::Decode)? as usize;
    // Only the empty prefix may mean everyone.
    let limit = match (query.is_empty(), limit) {
        (true, 0) => 0,
        (_, limit) => limit.clamp(1, MAX_ASKED),
    };
    Ok(MemberQuery::Prefix { query, limit })
}
