//! Opening and resuming sessions: the checks in their documented order, READY and what follows.

use std::sync::Arc;

use serde_json::{Value, json};
use splashtail_sandbox_world::world::{Application, Id, World, compact, intent};

use super::close::Close;
use super::session::{Identity, ResumeError, Session};
use super::untold::Hears;
use super::{Gateway, Resumed, Started, make_way};

/// Application flags (full or limited) that allow each privileged intent.
const PRIVILEGED: [(u64, u64); 3] = [
    (intent::GUILD_PRESENCES, (1 << 12) | (1 << 13)),
    (intent::GUILD_MEMBERS, (1 << 14) | (1 << 15)),
    (intent::MESSAGE_CONTENT, (1 << 18) | (1 << 19)),
];

/// Guilds that are told of while the world is held once: the first of them together with READY.
const GUILDS_AT_ONCE: usize = 4;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// A guild whose GUILD_CREATE is to be written without the world.
struct Apart {
    guild: Id,
    /// It alone.
    world: World,
}

/// What identify asks for, decoded.
struct Wish {
    token: String,
    shard: Value,
    intents: Value,
    large_threshold: u64,
    presence: Value,
}

impl Wish {
    fn decode(d: &Value) -> Option<Self> {
        if !d["properties"].is_object() {
            return None;
        }
        Some(Self {
            token: bare_token(d["token"].as_str()?),
            shard: d["shard"].clone(),
            intents: d["intents"].clone(),
            large_threshold: d["large_threshold"].as_u64().unwrap_or(50).clamp(50, 250),
            presence: d["presence"].clone(),
        })
    }

    fn shard(&self) -> Result<[u32; 2], Close> {
        if self.shard.is_null() {
            return Ok([0, 1]);
        }
        let numbers: Vec<u32> = serde_json::from_value(self.shard.clone()).unwrap_or_default();
        match numbers[..] {
            [id, count] if id < count => Ok([id, count]),
            _ => Err(Close::InvalidShard),
        }
    }

    fn intents(&self) -> Result<u64, Close> {
        let intents = self.intents.as_u64().ok_or(Close::InvalidIntents)?;
        if intents & !intent::ALL == 0 {
            Ok(intents)
        } else {
            Err(Close::InvalidIntents)
        }
    }
}

/// Libraries differ in whether they repeat the `Bot ` of the header.
fn bare_token(token: &str) -> String {
    token.strip_prefix("Bot ").unwrap_or(token).to_owned()
}

impl Gateway {
    /// Handles op 2.
    pub(super) fn identify(
        self: &Arc<Self>,
        d: &Value,
        encoding: &'static str,
    ) -> Result<Started, Close> {
        let wish = Wish::decode(d).ok_or(Close::Decode)?;
        let (mut apart, mut teller) = (None, false);
        let started = self.sandbox.with_world(|world| {
            let app = world
                .app_by_token(&wish.token)
                .ok_or(Close::AuthenticationFailed)?
                .clone();
            let shard = wish.shard()?;
            let guilds = world.guilds_of(app.id, (shard[0], shard[1]));
            if guilds.len() > self.settings.max_guilds_per_shard {
                return Err(Close::ShardingRequired);
            }
            let intents = wish.intents()?;
            if PRIVILEGED
                .iter()
                .any(|(bit, flags)| intents & bit != 0 && app.flags & flags == 0)
            {
                return Err(Close::DisallowedIntents);
            }
            if !self.may_identify(&app, shard) {
                return Ok(Started::TooSoon);
            }
            if !count_start(world, app.id) {
                // Discord resets the token of an application that runs out of session starts;
                // here it stays, and the session is refused as if it had been reset.
                return Err(Close::AuthenticationFailed);
            }
            let session = self.open(world, &app, &wish, shard, intents);
            apart = self.greet(world, &session, &app, &guilds, !wish.shard.is_null());
            teller = session.untold.len() > 0 && session.untold.engage();
            let connection = session.attach(encoding);
            if let Some(status) = wish.presence["status"].as_str() {
                world.set_presence(app.bot, status, activities(&wish.presence));
            }
            Ok(Started::Session(session, connection))
        })?;
        if let Started::Session(session, _) = &started
            && teller
        {
            tokio::spawn(self.clone().tell_the_rest(session.clone(), apart));
        }
        Ok(started)
    }

    /// Tells a session of its further guilds, and lets others at the world in between, and while
    /// what is large is written. Only one at a time does, whom `Untold::engage` chose.
    async fn tell_the_rest(self: Arc<Self>, session: Arc<Session>, mut apart: Option<Apart>) {
        while !session.is_ended() {
            if let Some(Apart { guild, world }) = apart.take() {
                let text = written(guild, world, &session.identity).await;
                let told = |_: &mut World| self.tell_apart(&session, guild, text);
                self.sandbox.with_world(told);
            } else if session.untold.is_done() {
                return;
            } else {
                apart = self.sandbox.with_world(|world| self.tell(world, &session));
            }
            make_way().await;
        }
    }

    /// GUILD_CREATE of a guild that was written apart, and what has happened in it since.
    fn tell_apart(&self, session: &Arc<Session>, guild: Id, text: Option<String>) {
        let Some(held) = session.untold.wrote(guild) else {
            return;
        };
        if let Some(text) = text {
            self.publish(session, "GUILD_CREATE", text.into(), Some(guild));
        }
        for event in held {
            self.publish_late(session, event.name, event.text, Some(guild), event.late_ms);
        }
    }

    /// One identify per window and concurrency key.
    fn may_identify(&self, app: &Application, shard: [u32; 2]) -> bool {
        let now_ms = self.sandbox.clock.steady_ms();
        let key = (app.id, shard[0] % app.max_concurrency.max(1));
        let mut registry = self.registry();
        let last = registry.identified.get(&key).copied();
        let ready = last.is_none_or(|at| now_ms - at >= self.settings.identify_window_ms);
        if ready {
            registry.identified.insert(key, now_ms);
        }
        ready
    }

    fn open(
        &self,
        world: &World,
        app: &Application,
        wish: &Wish,
        shard: [u32; 2],
        intents: u64,
    ) -> Arc<Session> {
        let mut registry = self.registry();
        registry.created += 1;
        let number = registry.created;
        let digits = world.secret(&format!("session {}/{number}", registry.generation), 32);
        let session_id: Arc<str> = digits.to_lowercase().into();
        let identity = Identity {
            session_id: session_id.clone(),
            app: app.id,
            bot: app.bot,
            token: wish.token.clone(),
            shard,
            intents,
            large_threshold: wish.large_threshold,
        };
        let session = Arc::new(Session::new(identity, self.settings.replay));
        registry.sessions.insert(number, session.clone());
        registry.by_id.insert(session_id, number);
        session
    }

    /// READY, then one GUILD_CREATE per available guild, the first ones at once.
    fn greet(
        self: &Arc<Self>,
        world: &mut World,
        session: &Arc<Session>,
        app: &Application,
        guilds: &[Id],
        sharded: bool,
    ) -> Option<Apart> {
        let identity = &session.identity;
        let shard = sharded.then_some((identity.shard[0], identity.shard[1]));
        let resume_url = self.resume_url().unwrap_or(&world.addresses.gateway);
        let ready = world.ready_payload(app.id, shard, &identity.session_id, resume_url);
        self.dispatch(session, "READY", compact(&ready).into());
        if !session.has_intent(intent::GUILDS) {
            return None;
        }
        session.untold.expect(guilds.iter().copied());
        self.tell(world, session)
    }

    /// GUILD_CREATE for the next few guilds. One that takes a while to write is copied, and what
    /// happens in it held back until the caller has written it.
    fn tell(self: &Arc<Self>, world: &mut World, session: &Arc<Session>) -> Option<Apart> {
        for _ in 0..GUILDS_AT_ONCE {
            let guild = session.untold.next()?;
            if world.bulk(guild, session.identity.intents) >= self.settings.apart
                && let Some(copy) = world.apart(guild)
            {
                session.untold.write(guild);
                return Some(Apart { guild, world: copy });
            }
            self.create_guild(world, session, guild);
        }
        None
    }

    /// A guild comes, or is back.
    pub(super) fn appears(
        self: &Arc<Self>,
        world: &World,
        session: &Arc<Session>,
        guild: Id,
        hears: Hears,
    ) {
        let bulk = world.bulk(guild, session.identity.intents);
        if hears == Hears::Now && bulk < self.settings.apart {
            self.create_guild(world, session, guild);
        } else {
            session.untold.expect([guild]);
            if session.untold.engage() {
                tokio::spawn(self.clone().tell_the_rest(session.clone(), None));
            }
        }
    }

    /// GUILD_CREATE as this session sees it; nothing while the guild is out.
    fn create_guild(self: &Arc<Self>, world: &World, session: &Arc<Session>, guild: Id) {
        let identity = &session.identity;
        let (intents, threshold) = (identity.intents, identity.large_threshold);
        if world.guilds.get(&guild).is_none_or(|g| g.unavailable) {
            return;
        }
        let text = world.guild_create_text(guild, identity.bot, intents, threshold as usize);
        if let Some(text) = text {
            self.publish(session, "GUILD_CREATE", text.into(), Some(guild));
        }
    }

    /// Handles op 6.
    pub(super) fn resume(
        self: &Arc<Self>,
        d: &Value,
        encoding: &'static str,
    ) -> Result<Resumed, Close> {
        let (Some(token), Some(id)) = (d["token"].as_str(), d["session_id"].as_str()) else {
            return Err(Close::Decode);
        };
        let Some(seq) = d["seq"].as_u64() else {
            return Err(Close::Decode);
        };
        let token = bare_token(token);
        self.forget_ended();
        // Under the world's lock, so that no event slips between the replay and RESUMED.
        self.sandbox.with_world(|world| {
            if world.app_by_token(&token).is_none() {
                return Err(Close::AuthenticationFailed);
            }
            let session = {
                let registry = self.registry();
                registry
                    .by_id
                    .get(id)
                    .and_then(|n| registry.sessions.get(n))
                    .cloned()
            };
            let Some(session) = session.filter(|s| s.identity.token == token && !s.is_ended())
            else {
                return Ok(Resumed::Refused);
            };
            match session.resume(seq, encoding) {
                Ok(connection) => {
                    self.dispatch(&session, "RESUMED", r#"{"_trace":[]}"#.into());
                    Ok(Resumed::Session(session, connection))
                }
                Err(ResumeError::Ahead) => Err(Close::InvalidSeq),
                Err(ResumeError::Gap) => {
                    session.end();
                    Ok(Resumed::Refused)
                }
            }
        })
    }

    /// Handles op 3.
    pub(super) fn update_presence(&self, session: &Session, d: &Value) -> Result<(), Close> {
        let status = d["status"].as_str().ok_or(Close::Decode)?;
        if !["online", "idle", "dnd", "invisible", "offline"].contains(&status) {
            return Err(Close::Decode);
        }
        let shown = if status == "invisible" {
            "offline"
        } else {
            status
        };
        self.sandbox
            .with_world(|world| world.set_presence(session.identity.bot, shown, activities(d)));
        Ok(())
    }
}

/// The text of a GUILD_CREATE, written on a thread for what takes long.
async fn written(guild: Id, world: World, identity: &Identity) -> Option<String> {
    let (bot, intents) = (identity.bot, identity.intents);
    let threshold = identity.large_threshold as usize;
    let write = move || world.guild_create_text(guild, bot, intents, threshold);
    // The only way to fail is a runtime that ends, and then nobody reads it.
    tokio::task::spawn_blocking(write).await.ok().flatten()
}

fn activities(presence: &Value) -> Value {
    match &presence["activities"] {
        Value::Array(list) => Value::Array(list.clone()),
        _ => json!([]),
    }
}

/// Takes one session start from the day's budget; `false` when it is used up.
fn count_start(world: &mut World, app: Id) -> bool {
    let now = world.steady_ms();
    let Some(app) = world.apps.get_mut(&app) else {
        return false;
    };
    let starts = &mut app.sessions;
    if starts.reset_at_ms.is_none_or(|at| at <= now) {
        starts.remaining = starts.total;
        starts.reset_at_ms = Some(now + DAY_MS);
    }
    match starts.remaining.checked_sub(1) {
        Some(left) => {
            starts.remaining = left;
            true
        }
        None => false,
    }
}

#[cfg(test)]
mod tests;
