//! Events of the gateway other than entries.

use serde_json::Value;
use splashtail_guild::{Id, Kind, Structure};

use super::Engine;
use super::retention::{MAX_OBJECTS, bounded};
use crate::act::{Act, Count};
use crate::bits::POWER;
use crate::effect::{Alert, Effect, Notice};
use crate::entry::action as a;
use crate::incident::IncidentKind;
use crate::limit::{LimitType, UNIT};
use crate::moment::Moment;

const CHANNELS: usize = 2000;

impl Engine {
    pub(super) fn on_event(
        &mut self,
        (name, data, before): (&str, &Value, Option<&Value>),
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let user = Id::of(&data["user"]);
        let had = user.and_then(|user| self.sight(structure).permissions(user));
        self.learn(name, data, structure, now);
        if let ("GUILD_ROLE_UPDATE" | "GUILD_ROLE_DELETE", Some(role)) = (name, before)
            && let Some(id) = Id::of(role)
        {
            let had = crate::bits::read(&role["permissions"]);
            self.members.lost_bits(structure, id, had, now);
        }
        match name {
            "GUILD_MEMBER_UPDATE" => {
                let Some(user) = user else { return };
                let has = self.sight(structure).permissions(user).unwrap_or(0);
                if has & POWER != 0 && had.is_some_and(|had| had & POWER == 0) {
                    self.seen_deed(a::MEMBER_ROLE_UPDATE, user, now);
                }
                if user == self.me {
                    self.on_own_member(data, now, out);
                    self.watch_rank(structure, now, out);
                } else {
                    self.reach_again(0, structure, now, out);
                }
            }
            "CHANNEL_DELETE" => self.deleted(
                Kind::Channel,
                a::CHANNEL_DELETE,
                (&data["id"], before),
                structure,
                now,
            ),
            "GUILD_ROLE_DELETE" => {
                // A bot's role goes with its bot, without an entry of its own.
                if before.is_none_or(|role| role["managed"] != true) {
                    let id = &data["role_id"];
                    self.deleted(Kind::Role, a::ROLE_DELETE, (id, before), structure, now);
                }
                self.watch_rank(structure, now, out);
            }
            "AUTO_MODERATION_RULE_DELETE" => {
                let id = (&data["id"], before);
                self.deleted(
                    Kind::AutomodRule,
                    a::AUTOMOD_RULE_DELETE,
                    id,
                    structure,
                    now,
                );
            }
            "GUILD_SCHEDULED_EVENT_DELETE" => {
                let id = (&data["id"], before);
                self.deleted(
                    Kind::ScheduledEvent,
                    a::SCHEDULED_EVENT_DELETE,
                    id,
                    structure,
                    now,
                );
            }
            "GUILD_SOUNDBOARD_SOUND_DELETE" => {
                let id = (&data["sound_id"], before);
                self.deleted(Kind::Sound, a::SOUND_DELETE, id, structure, now);
            }
            "THREAD_DELETE" => {
                if let Some(id) = Id::of(data) {
                    self.seen_deed(a::THREAD_DELETE, id, now);
                }
            }
            "GUILD_BAN_ADD" => {
                if let Some(user) = user {
                    self.members.leave(user, now);
                    self.seen_deed(a::MEMBER_BAN_ADD, user, now);
                }
            }
            "GUILD_ROLE_CREATE" | "GUILD_ROLE_UPDATE" => {
                let bot = Id::read(&data["role"]["tags"]["bot_id"]);
                if let Some(bot) = bot.filter(|bot| self.held_bots.contains_key(bot)) {
                    self.hold_bot(bot, structure, now, out);
                }
                self.watch_rank(structure, now, out);
            }
            "GUILD_CREATE" => self.watch_rank(structure, now, out),
            "GUILD_DELETE" if data["unavailable"] != true => self.on_expelled(structure, now, out),
            "AUTO_MODERATION_ACTION_EXECUTION" => {
                const TIMEOUT: u64 = 3;
                let timeout = data["action"]["type"].as_u64() == Some(TIMEOUT);
                if let Some(user) = Id::read(&data["user_id"]).filter(|_| timeout) {
                    bounded(&mut self.timed_out, MAX_OBJECTS).push_back((user, now));
                    self.lift_if_disarmed(user, structure, now, out);
                }
            }
            "MESSAGE_CREATE" => self.on_message(data, structure, now, out),
            "MESSAGE_DELETE" => {
                self.on_message_deleted(Id::read(&data["channel_id"]), now, out);
            }
            _ => {}
        }
    }

    /// Who is who: needed in every mode.
    pub(super) fn learn(&mut self, name: &str, data: &Value, structure: &Structure, now: Moment) {
        match name {
            "GUILD_CREATE" | "GUILD_MEMBERS_CHUNK" => {
                for member in data["members"].as_array().into_iter().flatten() {
                    self.members.learn(structure, member, now, false);
                }
            }
            "GUILD_MEMBER_ADD" | "GUILD_MEMBER_UPDATE" => {
                self.members.learn(structure, data, now, true);
            }
            "GUILD_MEMBER_REMOVE" => {
                if let Some(user) = Id::of(&data["user"]) {
                    self.members.leave(user, now);
                }
            }
            _ => {}
        }
    }

    fn on_own_member(&mut self, data: &Value, now: Moment, out: &mut Vec<Effect>) {
        if data["communication_disabled_until"].is_string() {
            let alert = Alert {
                notice: Notice::TimedOut,
                incident: None,
                about: Some(self.me),
                owner: true,
            };
            self.tell(alert, now, out);
        }
    }

    fn on_expelled(&mut self, structure: &Structure, now: Moment, out: &mut Vec<Effect>) {
        if let Some(incident) = self.left_because_of(now) {
            out.push(Effect::Alert(Alert {
                notice: Notice::Left,
                incident: Some(incident),
                about: None,
                owner: false,
            }));
            return;
        }
        let guild = self.guild;
        let kind = IncidentKind::Tamper;
        let incident = self.open_beside(guild, None, kind, &[], structure, now);
        out.push(Effect::Alert(Alert {
            notice: Notice::Expelled,
            incident: Some(incident),
            about: None,
            owner: true,
        }));
        self.publish(incident, true, now, out);
    }

    /// A message was written. All that counts of one by a person who pings nobody; it need not be
    /// told in any other way.
    pub fn note_message(&mut self, channel: Id, message: Id) {
        if self.activity.len() >= CHANNELS && !self.activity.contains_key(&channel) {
            self.activity.pop_first();
        }
        self.activity.insert(channel, Moment::of(message));
    }

    fn on_message(
        &mut self,
        data: &Value,
        structure: &Structure,
        now: Moment,
        out: &mut Vec<Effect>,
    ) {
        let Some(id) = Id::of(data) else { return };
        if let Some(channel) = Id::read(&data["channel_id"]) {
            self.note_message(channel, id);
        }
        let pings = data["mention_everyone"] == true;
        let author = Id::of(&data["author"]);
        match Id::read(&data["webhook_id"]) {
            Some(webhook) => {
                self.on_webhook_post(webhook, data, structure, now, out);
            }
            None if pings => {
                let Some(author) = author.filter(|author| *author != self.me) else {
                    return;
                };
                let kind = LimitType::EveryonePing;
                let act = Act {
                    id,
                    action: 0,
                    target: Id::read(&data["channel_id"]),
                    channel: None,
                    counts: vec![Count { kind, count: UNIT }],
                    points: 2 * UNIT,
                    destructive: false,
                    needs: 0,
                    instants: Vec::new(),
                    repairs: Vec::new(),
                };
                self.count(author, act, None, structure, now, out);
            }
            None => {}
        }
    }
}
