//! The server's own settings, its expressions, rules and events, and what goes last.

use serde_json::{Map, Value};

use super::others::by_people;
use super::{Draft, Operation, Subject, Why, bits, body};
use crate::fields::FEATURES;
use crate::{Id, Kind, files};

/// Features that only administrators switch, and one that only the owner does.
const ADMINISTRATORS: [&str; 2] = ["COMMUNITY", "DISCOVERABLE"];
const OWNERS: &str = "PRUNE_REQUIRES_ADMIN";
const COMMUNITY_CHANNELS: [&str; 2] = ["rules_channel_id", "public_updates_channel_id"];

impl Draft<'_> {
    fn wants_community(&self) -> bool {
        self.mode.rule(Kind::Guild).edit
            && self.wanted.has_feature("COMMUNITY")
            && !self.live.has_feature("COMMUNITY")
    }

    /// Whether the server is a community once the plan is carried out.
    pub(super) fn will_be_community(&self) -> bool {
        self.live.has_feature("COMMUNITY")
            || (self.wants_community()
                && self.may(bits::ADMINISTRATOR | bits::MANAGE_GUILD)
                && self.community_channels())
    }

    /// Discord takes the feature only together with both channels; without them it refuses for good.
    fn community_channels(&self) -> bool {
        COMMUNITY_CHANNELS.iter().all(|name| {
            let id = Id::read(&self.wanted.guild()[*name]);
            id.is_some_and(|id| {
                self.wanted.get(Kind::Channel, id).is_some() && !self.live.is_hidden(id)
            })
        })
    }

    /// Between the plain channels and those that need a community.
    pub(super) fn enable_community(&mut self) {
        if !self.wants_community() {
            return;
        }
        let guild = self.wanted.id();
        if !self.will_be_community() {
            let why = if self.community_channels() {
                Why::MissingPermissions(self.missing(bits::ADMINISTRATOR | bits::MANAGE_GUILD))
            } else {
                Why::Impossible
            };
            self.unable(Kind::Guild, guild, vec!["features"], why);
            return;
        }
        let (now, then) = (self.live.guild(), self.wanted.guild());
        let mut features = switched(now);
        features.push("COMMUNITY");
        let level = then["verification_level"].as_i64().unwrap_or(1).max(1);
        let mut body = Map::new();
        body.insert("features".to_owned(), features.into());
        body.insert("verification_level".to_owned(), level.into());
        body.insert("explicit_content_filter".to_owned(), 2.into());
        for name in COMMUNITY_CHANNELS {
            body.insert(name.to_owned(), then[name].clone());
        }
        let names: Vec<&'static str> =
            vec!["features", "verification_level", "explicit_content_filter"];
        let mut back = body::take(now, &names);
        back.insert("features".to_owned(), switched(now).into());
        let operation = Operation::Edit {
            kind: Kind::Guild,
            subject: Subject::Wanted(guild),
            body,
        };
        let inverse = Operation::Edit {
            kind: Kind::Guild,
            subject: Subject::Live(self.live.id()),
            body: back,
        };
        let needs = bits::ADMINISTRATOR | bits::MANAGE_GUILD;
        self.act(
            "guild/community".to_owned(),
            needs,
            (Kind::Guild, guild),
            operation,
            [inverse],
        );
    }

    pub(super) fn settings(&mut self) {
        if self.mode.rule(Kind::Guild).edit {
            self.edit_guild();
        }
        for kind in [
            Kind::Emoji,
            Kind::Sticker,
            Kind::Sound,
            Kind::AutomodRule,
            Kind::ScheduledEvent,
            Kind::Webhook,
            Kind::Invite,
        ] {
            self.others(kind);
        }
        for kind in [Kind::Widget, Kind::WelcomeScreen, Kind::Onboarding] {
            self.edit_single(kind);
        }
    }

    fn edit_guild(&mut self) {
        let found = self
            .comparison
            .changed
            .iter()
            .find(|d| d.kind == Kind::Guild);
        let Some(difference) = found.cloned() else {
            return;
        };
        let (id, now, then) = (
            self.wanted.id(),
            self.live.guild().clone(),
            self.wanted.guild().clone(),
        );
        let names: Vec<_> = difference.fields.iter().map(|f| f.field).collect();
        let mut body = body::take(&then, &names);
        self.fit_files((Kind::Guild, id), &then, &mut body);
        let community = self.will_be_community();
        if community {
            // A community keeps its channels, its filter and a verification level.
            for name in COMMUNITY_CHANNELS {
                if body.get(name).is_some_and(Value::is_null) {
                    body.shift_remove(name);
                    self.unable(Kind::Guild, id, vec![name], Why::Impossible);
                }
            }
            for (name, least) in [("verification_level", 1), ("explicit_content_filter", 2)] {
                if body
                    .get(name)
                    .and_then(Value::as_i64)
                    .is_some_and(|level| level < least)
                {
                    body.insert(name.to_owned(), least.into());
                    self.unable(Kind::Guild, id, vec![name], Why::Impossible);
                }
            }
        } else {
            for name in [
                "rules_channel_id",
                "public_updates_channel_id",
                "safety_alerts_channel_id",
                "description",
            ] {
                if body.shift_remove(name).is_some() {
                    self.unable(Kind::Guild, id, vec![name], Why::NeedsFeature("COMMUNITY"));
                }
            }
        }
        if names.contains(&"features") {
            self.fit_features(&now, &then, &mut body);
        }
        if body.is_empty() {
            return;
        }
        let sent: Vec<_> = names
            .iter()
            .filter(|n| body.contains_key(**n))
            .copied()
            .collect();
        let mut back = body::back(Kind::Guild, &now, &sent);
        if back.contains_key("features") {
            back.insert("features".to_owned(), switched(&now).into());
        }
        let operation = Operation::Edit {
            kind: Kind::Guild,
            subject: Subject::Wanted(id),
            body,
        };
        let inverse = Operation::Edit {
            kind: Kind::Guild,
            subject: Subject::Live(self.live.id()),
            body: back,
        };
        self.act(
            "guild/edit".to_owned(),
            bits::MANAGE_GUILD,
            (Kind::Guild, id),
            operation,
            [inverse],
        );
    }

    /// The list replaces all features that can be switched, so it is the present one with what this
    /// bot can switch as wanted.
    fn fit_features(&mut self, now: &Value, then: &Value, body: &mut Map<String, Value>) {
        let (mut features, wanted) = (switched(now), switched(then));
        if self.will_be_community() && !features.contains(&"COMMUNITY") {
            features.push("COMMUNITY");
        }
        let before = features.clone();
        for feature in FEATURES {
            if features.contains(&feature) == wanted.contains(&feature) {
                continue;
            }
            let needs = if ADMINISTRATORS.contains(&feature) {
                bits::ADMINISTRATOR
            } else {
                0
            };
            let possible = feature != "COMMUNITY" || !wanted.contains(&feature);
            let allowed = self.may(needs) && (feature != OWNERS || self.facts.owner) && possible;
            let community = self.will_be_community() || feature != "INVITES_DISABLED";
            if !allowed || !community {
                let why = if community && self.missing(needs) != 0 {
                    Why::MissingPermissions(self.missing(needs))
                } else {
                    Why::NeedsFeature(feature)
                };
                self.unable(Kind::Guild, self.wanted.id(), vec!["features"], why);
            } else if wanted.contains(&feature) {
                features.push(feature);
            } else {
                features.retain(|f| *f != feature);
            }
        }
        if features == before {
            body.shift_remove("features");
        } else {
            body.insert("features".to_owned(), features.into());
        }
    }

    /// What is not wanted goes last: a role takes its grants and overwrites along, a channel its
    /// webhooks and invites.
    pub(super) fn surplus(&mut self) {
        for kind in [
            Kind::Invite,
            Kind::Webhook,
            Kind::AutomodRule,
            Kind::ScheduledEvent,
            Kind::Sound,
            Kind::Sticker,
            Kind::Emoji,
            Kind::Channel,
            Kind::Role,
        ] {
            if !self.mode.deletes(kind) {
                continue;
            }
            let mut surplus = of_kind(&self.comparison.surplus, kind);
            // Children before their category, so that the way back begins with it.
            surplus.sort_by_key(|id| self.live.get(kind, *id).is_some_and(|o| o["type"] == 4));
            for id in surplus {
                match self.keeps(kind, id) {
                    Some(why) => self.unable(kind, id, Vec::new(), why),
                    None => {
                        self.delete(kind, id);
                    }
                }
            }
        }
    }

    /// Deletes one surplus object that `fits` beforehand, because the server is full.
    pub(super) fn make_room(&mut self, kind: Kind, fits: &dyn Fn(&Value) -> bool) -> bool {
        if !self.mode.deletes(kind) {
            return false;
        }
        let candidates = of_kind(&self.comparison.surplus, kind);
        let found = candidates.into_iter().find(|id| {
            let fitting = self.live.get(kind, *id).is_some_and(fits);
            fitting && !self.gone.contains(&(kind, *id)) && self.keeps(kind, *id).is_none()
        });
        found.is_some_and(|id| self.delete(kind, id))
    }

    /// Why a surplus object stays.
    fn keeps(&self, kind: Kind, id: Id) -> Option<Why> {
        let object = self.live.get(kind, id)?;
        let hides = |parent: Id| {
            let mut hidden = self.live.all(Kind::Hidden);
            hidden.any(|(_, channel)| Id::read(&channel["parent_id"]) == Some(parent))
        };
        let protects = || {
            let mut children = self.live.all(Kind::Channel);
            children.any(|(child, channel)| {
                Id::read(&channel["parent_id"]) == Some(id) && self.mode.protects(kind, child)
            })
        };
        match kind {
            _ if self.mode.protects(kind, id) => Some(Why::Protected),
            // A protected channel stays where it stands.
            Kind::Channel if protects() => Some(Why::Protected),
            _ if object["managed"] == true => Some(Why::Managed),
            Kind::Webhook if !by_people(object) => Some(Why::Managed),
            // Its code dies with it, and members gave it to others.
            Kind::Invite => Some(Why::Impossible),
            Kind::Emoji | Kind::Sticker | Kind::Sound
                if self.mode.keeps_unsaved && !self.has_bytes(kind, id) =>
            {
                Some(Why::NeedsFile)
            }
            Kind::Role => self.rank_forbids(id),
            // Who does not know what was hidden then cannot say that this is new.
            Kind::Channel if !self.wanted.knows(Kind::Hidden) => Some(Why::NotVisible),
            // Its children would be moved unseen.
            Kind::Channel if hides(id) => Some(Why::NotVisible),
            Kind::Channel if self.community_needs(id) => Some(Why::Impossible),
            // A community's limit of mentions is there for good.
            Kind::AutomodRule
                if object["trigger_type"] == 5 && self.live.has_feature("COMMUNITY") =>
            {
                Some(Why::Impossible)
            }
            _ => None,
        }
    }

    fn delete(&mut self, kind: Kind, id: Id) -> bool {
        let Some(object) = self
            .live
            .get(kind, id)
            .filter(|_| self.gone.insert((kind, id)))
        else {
            return false;
        };
        let needs = match kind {
            Kind::Channel => bits::MANAGE_CHANNELS,
            Kind::Role => bits::MANAGE_ROLES,
            Kind::AutomodRule => bits::MANAGE_GUILD,
            Kind::ScheduledEvent => bits::MANAGE_EVENTS,
            Kind::Webhook => bits::MANAGE_WEBHOOKS,
            Kind::Invite => bits::MANAGE_GUILD,
            _ => bits::MANAGE_GUILD_EXPRESSIONS,
        };
        let operation = Operation::Delete {
            kind,
            subject: Subject::Live(id),
        };
        let inverse = body::make_again(kind, id, object);
        let step = format!("{}/{id}/delete", word(kind));
        self.act(step, needs, (kind, id), operation, inverse)
    }

    fn has_bytes(&self, kind: Kind, id: Id) -> bool {
        let mut fields = files::file_fields(kind);
        fields.any(|field| self.live.file(kind, id, field).is_some())
    }

    /// Whether a live channel stays one of the two that a community cannot lose.
    fn community_needs(&self, channel: Id) -> bool {
        let stays = |name: &str| {
            let wanted = Id::read(&self.wanted.guild()[name]);
            let replaced = wanted.is_some_and(|id| self.wanted.get(Kind::Channel, id).is_some());
            Id::read(&self.live.guild()[name]) == Some(channel) && !replaced
        };
        self.live.has_feature("COMMUNITY") && COMMUNITY_CHANNELS.iter().any(|name| stays(name))
    }
}

/// Features of a server that can be switched and are on.
fn switched(guild: &Value) -> Vec<&'static str> {
    let list = guild["features"].as_array();
    let on = |feature: &&'static str| list.is_some_and(|list| list.iter().any(|f| f == *feature));
    FEATURES.iter().copied().filter(on).collect()
}

pub(super) fn of_kind(list: &[(Kind, Id)], kind: Kind) -> Vec<Id> {
    let of = list.iter().filter(|(k, _)| *k == kind);
    of.map(|(_, id)| *id).collect()
}

/// A kind in the names of steps.
pub(super) fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Guild => "guild",
        Kind::Role => "role",
        Kind::Channel | Kind::Hidden => "channel",
        Kind::Thread => "thread",
        Kind::Emoji => "emoji",
        Kind::Sticker => "sticker",
        Kind::Sound => "sound",
        Kind::AutomodRule => "automod",
        Kind::ScheduledEvent => "event",
        Kind::Widget => "widget",
        Kind::WelcomeScreen => "welcome_screen",
        Kind::Onboarding => "onboarding",
        Kind::Webhook => "webhook",
        Kind::Invite => "invite",
    }
}
