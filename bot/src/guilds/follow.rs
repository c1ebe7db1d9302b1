//! How a server's state follows its events.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;
use splashtail_core::ids::{GuildId, ShardId, UserId};
use splashtail_guild::{Change, Delta, Kind};

use super::facts::{Beginning, Facts, Known, Member};
use super::guild::{Guild, Outage};
use super::{GuildView, Guilds};
use crate::events::{Event, EventKind, EventKinds, Gap, GapCause, Unreadable};

/// Kinds that change a server's state.
pub(crate) const FOLLOWED: EventKinds = EventKinds::of(&[
    EventKind::GuildCreate,
    EventKind::GuildGone,
    EventKind::GuildUnavailable,
    EventKind::GuildUpdate,
    EventKind::GuildMemberAdd,
    EventKind::GuildMemberUpdate,
    EventKind::GuildMemberRemove,
    EventKind::GuildRoleCreate,
    EventKind::GuildRoleUpdate,
    EventKind::GuildRoleDelete,
    EventKind::ChannelCreate,
    EventKind::ChannelUpdate,
    EventKind::ChannelDelete,
    EventKind::ThreadCreate,
    EventKind::ThreadUpdate,
    EventKind::ThreadDelete,
    EventKind::ThreadListSync,
    EventKind::GuildEmojisUpdate,
    EventKind::GuildStickersUpdate,
    EventKind::GuildSoundboardSoundCreate,
    EventKind::GuildSoundboardSoundUpdate,
    EventKind::GuildSoundboardSoundDelete,
    EventKind::GuildSoundboardSoundsUpdate,
    EventKind::SoundboardSounds,
    EventKind::AutoModerationRuleCreate,
    EventKind::AutoModerationRuleUpdate,
    EventKind::AutoModerationRuleDelete,
    EventKind::GuildScheduledEventCreate,
    EventKind::GuildScheduledEventUpdate,
    EventKind::GuildScheduledEventDelete,
]);

/// Servers of a shard that were there before its new session.
pub(crate) struct Begun {
    /// They are there still, or in an outage: Discord says which with the events that follow.
    pub(crate) known: Vec<GuildId>,
    pub(crate) gone: Vec<GuildId>,
}

/// A server after an event.
pub(crate) struct Followed {
    pub(crate) view: GuildView,
    /// The outage that ended with it.
    pub(crate) outage: Option<Gap>,
    pub(crate) read: Result<(), Unreadable>,
}

impl Guilds {
    /// A READY: the bot's own user, and the shard's servers, which come one by one. Whoever calls
    /// tells those that were there before, in the order of their events, that they are out or gone.
    pub(crate) fn begin(
        &self,
        shard: ShardId,
        own_user: Option<UserId>,
        guilds: &[GuildId],
    ) -> Begun {
        if let Some(own_user) = own_user {
            // It is the same one for as long as the token is.
            let _ = self.own_user.set(own_user);
        }
        let listed: HashSet<_> = guilds.iter().copied().collect();
        let mut all = self.all();
        self.members
            .forget(|guild, _| all.get(&guild).is_none_or(|guild| guild.shard() == shard));
        let of_shard = all.iter().filter(|(_, guild)| guild.shard() == shard);
        let (known, gone) = of_shard
            .map(|(id, _)| *id)
            .partition(|id| listed.contains(id));
        for id in guilds {
            all.entry(*id)
                .or_insert_with(|| Arc::new(Guild::new(*id, shard)));
        }
        Begun { known, gone }
    }

    /// Applies an event to its server and gives the server after it. A body that is not what its
    /// kind promises leaves it as it was.
    pub(crate) fn follow(&self, event: &Event) -> Followed {
        let guild = {
            let mut all = self.all();
            let known = match event.kind {
                EventKind::GuildGone => all.remove(&event.guild),
                _ => all.get(&event.guild).cloned(),
            };
            known.unwrap_or_else(|| {
                let guild = Arc::new(Guild::new(event.guild, event.shard));
                if event.kind == EventKind::GuildCreate {
                    all.insert(event.guild, Arc::clone(&guild));
                }
                guild
            })
        };
        let out = guild.state().out;
        self.follow_member(event);
        let (delta, read) = match FOLLOWED.contains(event.kind) {
            true => match guild.follow(event, self.own_user()) {
                Ok(delta) => (delta, Ok(())),
                Err(error) => (Delta::default(), Err(error)),
            },
            false => (Delta::default(), Ok(())),
        };
        let view = GuildView {
            guild,
            delta: Arc::new(delta),
        };
        let outage = out.filter(|_| view.is_available()).map(|out| Gap {
            cause: out.cause,
            lasted: event.received.saturating_sub(out.since),
        });
        Followed { view, outage, read }
    }
}

impl Guilds {
    /// What cannot be read may have changed anything.
    fn follow_member(&self, event: &Event) {
        let guild = event.guild;
        match event.kind {
            EventKind::GuildMemberAdd
            | EventKind::GuildMemberUpdate
            | EventKind::GuildMemberRemove => {
                let Ok(member) = event.decode::<Member>() else {
                    return self.members.forget(|of, _| of == guild);
                };
                let stays = event.kind != EventKind::GuildMemberRemove;
                let roles = stays.then_some(&member.roles[..]);
                self.members
                    .follow((guild, member.user.id), roles, event.received);
            }
            EventKind::GuildCreate | EventKind::GuildGone => {
                self.members.forget(|of, _| of == guild);
            }
            _ => {}
        }
    }
}

impl Guild {
    fn follow(&self, event: &Event, own: Option<UserId>) -> Result<Delta, Unreadable> {
        match event.kind {
            EventKind::GuildGone => {
                self.state().available = false;
                return Ok(Delta::default());
            }
            EventKind::GuildUnavailable => {
                self.state().goes_out(outage(event));
                return Ok(Delta::default());
            }
            EventKind::GuildMemberAdd
            | EventKind::GuildMemberUpdate
            | EventKind::GuildMemberRemove => {
                self.follow_member(event, own)?;
                return Ok(Delta::default());
            }
            _ => {}
        }
        let (body, beginning) = match event.kind {
            EventKind::GuildCreate => {
                let mut fields: BTreeMap<Cow<'_, str>, &RawValue> = event.decode()?;
                if fields
                    .get("unavailable")
                    .is_some_and(|is| is.get() == "true")
                {
                    self.state().goes_out(outage(event));
                    return Ok(Delta::default());
                }
                // Hundreds of people, who are no part of the structure.
                for people in ["members", "presences", "voice_states"] {
                    fields.remove(people);
                }
                let value = |(key, raw): (Cow<'_, str>, &RawValue)| {
                    Ok((key.into_owned(), serde_json::from_str(raw.get())?))
                };
                let body = fields.into_iter().map(value).collect::<Result<_, _>>();
                let body = Value::Object(body.map_err(|error| event.unreadable(error))?);
                (body, Some(event.decode::<Beginning>()?))
            }
            _ => (event.decode()?, None),
        };
        let mut state = self.state();
        let state = &mut *state;
        let delta = state.structure.open().apply_event(event.kind.name(), &body);
        let concerns_facts = |change: &Change| matches!(change.kind, Kind::Guild | Kind::Role);
        if delta.changes().iter().any(concerns_facts) {
            Arc::make_mut(&mut state.facts).follow(state.structure.open());
        }
        if let Some(beginning) = beginning {
            state.available = true;
            state.out = None;
            let members = beginning.members.iter().filter_map(Known::id);
            state.membership.begin(members);
            begin(Arc::make_mut(&mut state.facts), beginning, own);
            // Thousands come one after the other when a shard begins.
            state.structure.pack();
        }
        Ok(delta)
    }

    fn follow_member(&self, event: &Event, own: Option<UserId>) -> Result<(), Unreadable> {
        let member: Member = event.decode()?;
        let user = member.user.id;
        let mut state = self.state();
        match event.kind {
            EventKind::GuildMemberAdd if state.membership.tell(user, true) => {
                Arc::make_mut(&mut state.facts).member_count += 1;
            }
            EventKind::GuildMemberRemove if state.membership.tell(user, false) => {
                let facts = Arc::make_mut(&mut state.facts);
                facts.member_count = facts.member_count.saturating_sub(1);
            }
            _ => {}
        }
        if event.kind != EventKind::GuildMemberRemove && Some(user) == own {
            own_member(Arc::make_mut(&mut state.facts), member);
        }
        Ok(())
    }
}

/// With a new session a server is out since the one before it was last heard.
fn outage(event: &Event) -> Outage {
    let begun = event.gap();
    Outage {
        since: event
            .received
            .saturating_sub(begun.map_or(Duration::ZERO, |gap| gap.lasted)),
        cause: begun.map_or(GapCause::GuildBack, |gap| gap.cause),
    }
}

fn begin(facts: &mut Facts, beginning: Beginning, own: Option<UserId>) {
    facts.member_count = beginning.member_count;
    for member in beginning.members {
        match member {
            Known::Member(member) if Some(member.user.id) == own => own_member(facts, member),
            _ => {}
        }
    }
}

fn own_member(facts: &mut Facts, member: Member) {
    facts.own_roles = member.roles;
    facts.own_timeout = member.communication_disabled_until;
}
