//! What has neither order nor hierarchy: expressions, rules, events.

use serde_json::{Map, Value, json};

use super::occurrence::{self, Next};
use super::settings::{of_kind, word};
use super::{Draft, Operation, Subject, Why, bits, body};
use crate::{Id, Kind, files};

/// Features that a server takes a picture with; the second one if it moves.
const PICTURES: [(&str, &str, Option<&str>); 4] = [
    ("icon", "", Some("ANIMATED_ICON")),
    ("splash", "INVITE_SPLASH", None),
    ("discovery_splash", "DISCOVERABLE", None),
    ("banner", "BANNER", Some("ANIMATED_BANNER")),
];
/// Static emojis, and as many animated ones, by boost tier.
const EMOJIS: [usize; 4] = [50, 100, 150, 250];
const MORE_EMOJIS: usize = 200;
const STICKERS: [usize; 4] = [5, 15, 30, 60];
const SOUNDS: [usize; 4] = [8, 24, 36, 48];
const MORE_SOUNDS: usize = 96;

impl Draft<'_> {
    /// What has no order and no hierarchy.
    pub(super) fn others(&mut self, kind: Kind) {
        let (create, edit) = match kind {
            Kind::AutomodRule => (bits::MANAGE_GUILD, bits::MANAGE_GUILD),
            Kind::ScheduledEvent => (bits::CREATE_EVENTS, bits::MANAGE_EVENTS),
            Kind::Webhook => (bits::MANAGE_WEBHOOKS, bits::MANAGE_WEBHOOKS),
            Kind::Invite => (bits::CREATE_INSTANT_INVITE, 0),
            _ => (
                bits::CREATE_GUILD_EXPRESSIONS,
                bits::MANAGE_GUILD_EXPRESSIONS,
            ),
        };
        let rule = self.mode.rule(kind);
        let missing: Vec<Id> = match rule.create {
            true => of_kind(&self.comparison.missing, kind),
            false => Vec::new(),
        };
        for id in missing {
            let Some(object) = self.wanted.get(kind, id).cloned() else {
                continue;
            };
            if kind == Kind::Webhook && !by_people(&object) {
                self.unable(kind, id, Vec::new(), Why::Managed);
                continue;
            }
            let mut body = body::create(kind, &object);
            let next = self.mode.now.filter(|_| kind == Kind::ScheduledEvent);
            match next.map(|now| occurrence::next(&object, now)) {
                Some(Next::Over) => {
                    self.unable(kind, id, Vec::new(), Why::Over);
                    continue;
                }
                Some(Next::At(at)) => occurrence::move_to(&mut body, &object, at),
                Some(Next::Ahead) | None => {}
            }
            if kind == Kind::Invite {
                let Some(uses) = uses_left(&object) else {
                    self.unable(kind, id, Vec::new(), Why::UsedUp);
                    continue;
                };
                body.insert("max_uses".to_owned(), uses.into());
                let lost = lost_of_invite(&object);
                if !lost.is_empty() {
                    self.unable(kind, id, lost, Why::PlainInvite);
                }
            }
            if matches!(kind, Kind::Emoji | Kind::Sticker | Kind::Sound) {
                let bytes = files::file_fields(kind).any(|field| body.contains_key(field));
                let why = match () {
                    () if object["managed"] == true => Some(Why::Managed),
                    () if !bytes => Some(Why::NeedsFile),
                    () if self.make_place(kind, &object) => None,
                    () => Some(Why::Full),
                };
                if let Some(why) = why {
                    self.unable(kind, id, Vec::new(), why);
                    continue;
                }
            } else {
                self.report_lost((kind, id), &object, &body);
            }
            if kind == Kind::AutomodRule {
                body.insert("enabled".to_owned(), json!(object["enabled"] == true));
            }
            let operation = Operation::Create {
                kind,
                subject: Subject::Wanted(id),
                body,
            };
            let step = format!("{}/{id}/create", word(kind));
            if self.act(step, create, (kind, id), operation, None) {
                *self.filled.entry((kind, moves(&object))).or_default() += 1;
            }
        }
        let changed: Vec<_> = self
            .comparison
            .changed
            .iter()
            .filter(|d| rule.edit && d.kind == kind)
            .cloned()
            .collect();
        for difference in changed {
            let (Some(now), Some(then)) = (
                self.live.get(kind, difference.live),
                self.wanted.get(kind, difference.wanted),
            ) else {
                continue;
            };
            let (now, then) = (now.clone(), then.clone());
            let names: Vec<_> = difference.fields.iter().map(|f| f.field).collect();
            let mut body = body::take(&then, &names);
            self.fit_files((kind, difference.wanted), &then, &mut body);
            let next = self.mode.now.filter(|_| kind == Kind::ScheduledEvent);
            if next.is_some_and(|now| occurrence::next(&then, now) != Next::Ahead) {
                // It goes on at its own times.
                for field in [
                    "scheduled_start_time",
                    "scheduled_end_time",
                    "recurrence_rule",
                ] {
                    body.shift_remove(field);
                }
            }
            if body.is_empty() {
                continue;
            }
            let operation = Operation::Edit {
                kind,
                subject: Subject::Wanted(difference.wanted),
                body,
            };
            let inverse = Operation::Edit {
                kind,
                subject: Subject::Live(difference.live),
                body: body::back(kind, &now, &names),
            };
            let step = format!("{}/{}/edit", word(kind), difference.live);
            self.act(step, edit, (kind, difference.wanted), operation, [inverse]);
        }
    }

    /// Puts names of bytes in place of hashes, and takes out what the server or nobody can show.
    pub(super) fn fit_files(
        &mut self,
        (kind, id): (Kind, Id),
        object: &Value,
        body: &mut Map<String, Value>,
    ) {
        let lacking = files::name_bytes(kind, object, body);
        if !lacking.is_empty() {
            self.unable(kind, id, lacking, Why::NeedsFile);
        }
        let needed: Vec<(&'static str, &'static str)> = match kind {
            Kind::Guild => PICTURES
                .iter()
                .map(|(field, still, moving)| {
                    let hash = object[*field].as_str().unwrap_or_default();
                    let moves = hash.starts_with("a_");
                    (*field, moving.filter(|_| moves).unwrap_or(still))
                })
                .collect(),
            Kind::Role => vec![("icon", "ROLE_ICONS")],
            _ => Vec::new(),
        };
        for (field, feature) in needed {
            let set = body.get(field).is_some_and(|value| !value.is_null());
            if set && !feature.is_empty() && !self.live.has_feature(feature) {
                body.shift_remove(field);
                self.unable(kind, id, vec![field], Why::NeedsFeature(feature));
            }
        }
    }

    /// Names the pictures that a new object goes without, because nobody has their bytes.
    pub(super) fn report_lost(
        &mut self,
        (kind, id): (Kind, Id),
        object: &Value,
        body: &Map<String, Value>,
    ) {
        let lost: Vec<_> = files::file_fields(kind)
            .filter(|field| !object[*field].is_null() && !body.contains_key(*field))
            .collect();
        if !lost.is_empty() {
            self.unable(kind, id, lost, Why::NeedsFile);
        }
    }

    /// Whether there is a place for one more, now or when something that is not wanted goes first.
    fn make_place(&mut self, kind: Kind, object: &Value) -> bool {
        let moving = moves(object);
        let filled = self.filled.get(&(kind, moving)).copied().unwrap_or(0);
        if self.places(kind, moving) > filled {
            return true;
        }
        let fits = |object: &Value| kind != Kind::Emoji || moves(object) == moving;
        self.make_room(kind, &fits)
    }

    /// Places of a kind that are free: of emojis, of those that move or of those that do not.
    fn places(&self, kind: Kind, moving: bool) -> usize {
        let tier = self.live.guild()["premium_tier"].as_u64().unwrap_or(0);
        let tier = usize::try_from(tier).unwrap_or(0).min(EMOJIS.len() - 1);
        let more = |feature: &str, more: usize, most: usize| match self.live.has_feature(feature) {
            true => most.max(more),
            false => most,
        };
        let most = match kind {
            Kind::Emoji => more("MORE_EMOJI", MORE_EMOJIS, EMOJIS[tier]),
            Kind::Sticker => more("MORE_STICKERS", STICKERS[3], STICKERS[tier]),
            Kind::Sound => more("MORE_SOUNDBOARD", MORE_SOUNDS, SOUNDS[tier]),
            _ => return usize::MAX,
        };
        let alike = |object: &Value| moves(object) == moving || kind != Kind::Emoji;
        let taken = self.live.all(kind);
        let taken = taken.filter(|(id, object)| {
            alike(object) && object["managed"] != true && !self.gone.contains(&(kind, *id))
        });
        most.saturating_sub(taken.count())
    }
}

/// Whether people made a webhook. One of an application, or of a channel that follows another, is
/// of no use to anybody else.
pub(super) fn by_people(webhook: &Value) -> bool {
    webhook["type"].as_u64().unwrap_or(1) == 1 && webhook["application_id"].is_null()
}

/// What an invite does that one made anew does not: it gives roles, or leads to a stream or an
/// application.
fn lost_of_invite(invite: &Value) -> Vec<&'static str> {
    let says = |field: &&str| match &invite[*field] {
        Value::Null => false,
        Value::Array(list) => !list.is_empty(),
        _ => true,
    };
    ["roles", "target_type"].into_iter().filter(says).collect()
}

/// Zero is without end; `None` when it is used up.
fn uses_left(invite: &Value) -> Option<u64> {
    let (most, uses) = (invite["max_uses"].as_u64(), invite["uses"].as_u64());
    match (most.unwrap_or(0), uses.unwrap_or(0)) {
        (0, _) => Some(0),
        (most, uses) => most.checked_sub(uses).filter(|left| *left > 0),
    }
}

fn moves(emoji: &Value) -> bool {
    emoji["animated"] == true
}
