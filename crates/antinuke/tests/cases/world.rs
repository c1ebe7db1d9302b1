//! A small server, its people, and Discord's answers.

use std::sync::Arc;

use serde_json::{Value, json};
use splashtail_antinuke::{
    Call, Effect, Engine, Incident, Input, Method, Mode, Moment, Notice, Outcome, Policy, Rung,
    State, TagKey, Timing, bits,
};
use splashtail_guild::{Id, Structure};

pub const START: Moment = Moment(400_000_000_000);
pub const GUILD: Id = Id::new(1000);
pub const OWNER: Id = Id::new(1001);
pub const ME: Id = Id::new(1002);
pub const MOD: Id = Id::new(1003);
pub const ADMIN: Id = Id::new(1004);
pub const HIGH: Id = Id::new(1005);
pub const BOT: Id = Id::new(1006);
pub const PLAIN: Id = Id::new(1007);
pub const MY_ROLE: Id = Id::new(2002);
pub const MOD_ROLE: Id = Id::new(2003);
pub const ADMIN_ROLE: Id = Id::new(2004);
pub const HIGH_ROLE: Id = Id::new(2005);
pub const BOT_ROLE: Id = Id::new(2006);
pub const KEY: TagKey = TagKey::new([7; 32]);

const MINE: u64 = (bits::PANIC & !bits::ADMINISTRATOR) | bits::VIEW_AUDIT_LOG | bits::VIEW_CHANNEL;
const MODERATION: u64 = bits::KICK_MEMBERS
    | bits::BAN_MEMBERS
    | bits::MANAGE_CHANNELS
    | bits::MANAGE_ROLES
    | bits::MANAGE_GUILD
    | bits::MANAGE_MESSAGES
    | bits::MODERATE_MEMBERS
    | bits::MANAGE_WEBHOOKS;

/// Channel `n` of thirty, ten to a category.
pub fn channel(n: u64) -> Id {
    Id::new(3000 + n)
}

pub fn user(n: u64) -> Id {
    Id::new(5000 + n)
}

fn role(id: Id, position: i64, permissions: u64) -> Value {
    json!({"id": id, "name": format!("role {id}"), "position": position,
        "permissions": permissions.to_string(), "managed": false})
}

fn of_bot(id: Id, position: i64, permissions: u64, bot: Id) -> Value {
    let mut role = role(id, position, permissions);
    role["managed"] = true.into();
    role["tags"] = json!({"bot_id": bot});
    role
}

pub fn member(user: Id, roles: &[Id]) -> Value {
    json!({"guild_id": GUILD, "user": {"id": user, "bot": user == BOT || user == ME},
        "roles": roles, "joined_at": "2020-01-01T00:00:00+00:00"})
}

pub struct World {
    pub structure: Structure,
    pub engine: Engine,
    pub now: Moment,
    /// Every call so far, answered or not.
    pub calls: Vec<Call>,
    pub effects: Vec<Effect>,
    /// How calls go, by rung.
    pub answers: Vec<(Rung, Option<Outcome>)>,
    serial: u64,
}

impl World {
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    pub fn with(edit: impl FnOnce(&mut Policy)) -> Self {
        let mut policy = Policy {
            mode: Mode::On,
            ..Policy::default()
        };
        edit(&mut policy);
        let categories = (0..3).map(|n| json!({"id": Id::new(2900 + n), "type": 4, "name": "c"}));
        let last = START.minus(60_000).id();
        let channels = (0..30).map(|n| {
            json!({"id": channel(n), "type": 0, "name": format!("channel {n}"), "last_message_id": last,
                "parent_id": Id::new(2900 + n / 10), "permission_overwrites": []})
        });
        let guild = json!({
            "id": GUILD, "name": "Harbour", "owner_id": OWNER, "features": [],
            "approximate_member_count": 1000,
            "roles": [
                role(GUILD, 0, bits::VIEW_CHANNEL),
                role(MOD_ROLE, 3, MODERATION),
                role(ADMIN_ROLE, 5, bits::ADMINISTRATOR),
                of_bot(BOT_ROLE, 6, bits::ADMINISTRATOR, BOT),
                of_bot(MY_ROLE, 10, MINE, ME),
                role(HIGH_ROLE, 20, bits::ADMINISTRATOR),
            ],
            "channels": categories.chain(channels).collect::<Vec<_>>(),
            "members": [
                member(OWNER, &[]), member(ME, &[MY_ROLE]), member(MOD, &[MOD_ROLE]),
                member(ADMIN, &[ADMIN_ROLE]), member(HIGH, &[HIGH_ROLE]), member(BOT, &[BOT_ROLE]),
                member(PLAIN, &[]),
            ],
        });
        let mut world = Self {
            structure: Structure::from_guild(&guild).unwrap(),
            engine: Engine::new(GUILD, ME, Arc::new(policy), KEY),
            now: START,
            calls: Vec::new(),
            effects: Vec::new(),
            answers: Vec::new(),
            serial: 0,
        };
        world.feed("GUILD_CREATE", guild);
        world
    }

    /// An id of this moment that was not given before.
    pub fn id(&mut self) -> Id {
        self.serial += 1;
        Id::new(self.now.id().get() | (self.serial & 0x0003_ffff) | 0x0020_0000)
    }

    pub fn wait(&mut self, ms: u64) {
        let end = self.now.plus(ms);
        while let Some(wake) = self.engine.next_wake().filter(|wake| *wake <= end) {
            self.now = self.now.max(wake);
            self.give(Input::Tick);
            if self.engine.next_wake().is_some_and(|next| next <= wake) {
                break;
            }
        }
        self.now = end;
        self.give(Input::Tick);
    }

    pub fn give(&mut self, input: Input<'_>) -> usize {
        let effects = self.engine.decide(input, &self.structure, self.now);
        let calls = self.take(effects);
        self.settle(calls);
        self.calls.len()
    }

    fn take(&mut self, effects: Vec<Effect>) -> Vec<Call> {
        let calls = effects.iter().filter_map(|effect| match effect {
            Effect::Call(call) => Some((**call).clone()),
            _ => None,
        });
        let calls: Vec<Call> = calls.collect();
        self.calls.extend(calls.iter().cloned());
        self.effects.extend(effects);
        calls
    }

    /// Answers calls 50 ms later, and those that follow from the answers.
    fn settle(&mut self, calls: Vec<Call>) {
        let mut queue = calls;
        while !queue.is_empty() {
            let mut next = Vec::new();
            for call in queue {
                let told = self.answers.iter().find(|(rung, _)| *rung == call.key.rung);
                let outcome = told.map_or(Some(Outcome::Done), |(_, outcome)| *outcome);
                if let Some(outcome) = outcome {
                    next.extend(self.answer(&call, outcome));
                }
            }
            queue = next;
        }
    }

    pub fn answer(&mut self, call: &Call, outcome: Outcome) -> Vec<Call> {
        let timing = Timing {
            sent: self.now,
            answered: self.now.plus(50),
        };
        let effects = self
            .engine
            .on_answer(call.key, outcome, timing, &self.structure);
        self.take(effects)
    }

    /// A dispatch, before and after which the structure is as Discord's.
    pub fn feed(&mut self, name: &str, data: Value) {
        let before = match name {
            "CHANNEL_DELETE" => Id::of(&data).and_then(|id| {
                self.structure
                    .get(splashtail_guild::Kind::Channel, id)
                    .cloned()
            }),
            "GUILD_ROLE_DELETE" => Id::read(&data["role_id"]).and_then(|id| {
                self.structure
                    .get(splashtail_guild::Kind::Role, id)
                    .cloned()
            }),
            "GUILD_ROLE_UPDATE" => Id::of(&data["role"]).and_then(|id| {
                self.structure
                    .get(splashtail_guild::Kind::Role, id)
                    .cloned()
            }),
            _ => None,
        };
        self.structure.apply_event(name, &data);
        self.give(Input::Event {
            name,
            data: &data,
            before: before.as_ref(),
        });
    }

    pub fn entry(&mut self, by: impl Into<Option<Id>>, action: u16, target: Id) -> Value {
        let by: Option<Id> = by.into();
        json!({"id": self.id(), "guild_id": GUILD, "user_id": by, "target_id": target,
            "action_type": action})
    }

    pub fn tell(&mut self, entry: &Value) -> usize {
        self.give(Input::Entry {
            raw: entry,
            polled: false,
        })
    }

    /// An entry told at once.
    pub fn act(&mut self, by: impl Into<Option<Id>>, action: u16, target: Id) -> usize {
        let entry = self.entry(by, action, target);
        self.tell(&entry)
    }

    /// The same with more fields.
    pub fn act_with(
        &mut self,
        by: impl Into<Option<Id>>,
        action: u16,
        target: Id,
        more: Value,
    ) -> usize {
        let mut entry = self.entry(by, action, target);
        for (key, value) in more.as_object().unwrap() {
            entry[key] = value.clone();
        }
        self.tell(&entry)
    }

    /// Deletes a channel: event and entry.
    pub fn delete_channel(&mut self, by: Id, n: u64) -> usize {
        self.feed(
            "CHANNEL_DELETE",
            json!({"id": channel(n), "guild_id": GUILD}),
        );
        self.act(by, 12, channel(n))
    }

    pub fn add_role(&mut self, id: Id, position: i64, permissions: u64) {
        let role = role(id, position, permissions);
        self.feed(
            "GUILD_ROLE_CREATE",
            json!({"guild_id": GUILD, "role": role}),
        );
    }

    pub fn set_role(&mut self, id: Id, position: i64, permissions: u64) {
        let role = match id {
            MY_ROLE => of_bot(id, position, permissions, ME),
            _ => role(id, position, permissions),
        };
        self.feed(
            "GUILD_ROLE_UPDATE",
            json!({"guild_id": GUILD, "role": role}),
        );
    }

    pub fn add_member(&mut self, user: Id, roles: &[Id]) {
        self.feed("GUILD_MEMBER_ADD", member(user, roles));
    }

    pub fn add_newcomer(&mut self, user: Id) {
        let mut raw = member(user, &[]);
        // START is in September 2027.
        raw["joined_at"] = rfc3339(self.now).into();
        self.feed("GUILD_MEMBER_ADD", raw);
    }

    pub fn calls_of(&self, rung: Rung) -> Vec<&Call> {
        self.calls.iter().filter(|c| c.key.rung == rung).collect()
    }

    pub fn against(&self, user: Id) -> Vec<&Call> {
        self.calls.iter().filter(|c| c.key.actor == user).collect()
    }

    pub fn told(&self, notice: Notice) -> bool {
        let mut alerts = self.effects.iter();
        alerts.any(|effect| matches!(effect, Effect::Alert(alert) if alert.notice == notice))
    }

    pub fn owner_told(&self) -> bool {
        let mut alerts = self.effects.iter();
        alerts.any(|effect| matches!(effect, Effect::Alert(alert) if alert.owner))
    }

    pub fn polls(&self) -> usize {
        let polls = self.effects.iter();
        polls.filter(|e| matches!(e, Effect::PollAudit(_))).count()
    }

    pub fn incident(&self) -> &Incident {
        let mut incidents = self.engine.incidents();
        let one = incidents.next().expect("an incident");
        assert!(incidents.next().is_none(), "one incident");
        one
    }

    pub fn no_incident(&self) {
        let found: Vec<_> = self.engine.incidents().collect();
        assert!(found.is_empty(), "{found:#?}");
        assert!(self.calls.is_empty(), "{:#?}", self.calls);
    }

    pub fn is_contained(&self, user: Id) -> bool {
        let state = self.engine.actor_state(user);
        matches!(state, State::Contained { .. } | State::Watch { .. })
    }

    pub fn nobody_punished(&self) {
        let people = self
            .calls
            .iter()
            .filter(|c| matches!(c.key.rung, Rung::TakeRoles | Rung::Kick | Rung::Ban));
        assert_eq!(people.count(), 0, "{:#?}", self.calls);
    }
}

pub fn permissions_of(call: &Call) -> u64 {
    assert_eq!(call.method, Method::Patch);
    let body = call.body.as_ref().unwrap();
    body["permissions"].as_str().unwrap().parse().unwrap()
}

pub fn roles_of(call: &Call) -> Vec<Id> {
    let body = call.body.as_ref().unwrap();
    let roles = body["roles"].as_array().unwrap();
    roles.iter().filter_map(Id::read).collect()
}

/// Good for the days around [`START`].
pub fn rfc3339(at: Moment) -> String {
    let seconds = at.unix_ms() / 1000;
    let days = seconds / 86_400;
    // 2027-09-04 is day 21065 since 1970.
    let day = 4 + days - 21_065;
    let (h, m, s) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("2027-09-{day:02}T{h:02}:{m:02}:{s:02}+00:00")
}
