//! What the bot can and cannot do in a server, looked at once.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use splashtail_antinuke::{Mode, POWER, Policy};
use splashtail_core::ids::{GuildId, UserId};
use splashtail_discord::permissions::{Rank, Subject, bits};
use splashtail_guild::{Id, Kind, Structure};
use splashtail_permissions::NativePermissions;

use crate::app::App;
use crate::guilds::{Facts, GuildView, Role};
use crate::modules::antinuke::{NoIdentity, Protection};
use crate::registry::Needed;
use crate::services::NoService;

/// What the bot needs to write an alert.
pub const TO_WRITE: u64 = bits::VIEW_CHANNEL | bits::SEND_MESSAGES | bits::EMBED_LINKS;

/// A permission that a module wants, and its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    pub module: &'static str,
    pub bits: u64,
    pub why: &'static str,
}

/// Where alerts go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alerts {
    /// Nobody chose a channel.
    Nowhere,
    /// The channel is not there any more, or hidden.
    Gone(Id),
    /// The bot lacks these permissions there.
    Mute(Id, u64),
    Fine(Id),
}

/// A server as the bot finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    pub guild: GuildId,
    pub owner: Option<UserId>,
    /// What the server as a whole permits to the bot.
    pub own: u64,
    /// What modules want and the bot does not have, with each module's reason.
    pub lacking: BTreeMap<u64, Vec<Wanted>>,
    /// Everything that modules want.
    pub wanted: u64,
    /// Channels that the bot cannot see, by category.
    pub hidden: BTreeMap<Option<Id>, Vec<Id>>,
    pub channels: usize,
    /// The bot's highest role.
    pub own_role: Option<Id>,
    /// Roles above it whose holders could do harm, the highest first.
    pub above: Vec<Id>,
    pub alerts: Alerts,
    pub mode: Mode,
    /// Why protection cannot judge anything, if so.
    pub broken: Option<NoIdentity>,
    pub timed_out: bool,
    /// Pruning members does not need Administrator.
    pub anybody_prunes: bool,
    /// Moderators need no second factor.
    pub no_second_factor: bool,
}

/// Who looks.
#[derive(Debug, Clone, Copy)]
pub struct Viewer {
    pub user: UserId,
    pub timed_out: bool,
    pub broken: Option<NoIdentity>,
}

impl Look {
    /// `None` while the server is not known, or in an outage.
    ///
    /// # Errors
    /// A mistake in the code.
    pub fn at(app: &App, guild: GuildId) -> Result<Option<Self>, NoService> {
        Self::with(app, guild, |_| {})
    }

    /// The same if the policy were another.
    ///
    /// # Errors
    /// A mistake in the code.
    pub fn with(
        app: &App,
        guild: GuildId,
        change: impl FnOnce(&mut Policy),
    ) -> Result<Option<Self>, NoService> {
        let protection = app.services.get::<Protection>()?;
        let view = app.state.guilds.get(guild);
        let view = view.filter(GuildView::is_available);
        let Some((view, user)) = view.zip(app.state.guilds.own_user()) else {
            return Ok(None);
        };
        let mut policy = protection.policy(guild).unwrap_or_default();
        change(&mut policy);
        let facts = view.facts();
        let until = facts.own_timeout.as_deref();
        let until = until.and_then(|until| chrono::DateTime::parse_from_rfc3339(until).ok());
        let viewer = Viewer {
            user,
            timed_out: until.is_some_and(|until| until > app.clock.now()),
            broken: protection.broken(),
        };
        let wanted = wanted(app, guild);
        let look = view
            .structure(|structure| Self::new(guild, &facts, structure, &wanted, &policy, viewer));
        Ok(Some(look))
    }

    pub fn new(
        guild: GuildId,
        facts: &Facts,
        structure: &Structure,
        wanted: &[Wanted],
        policy: &Policy,
        viewer: Viewer,
    ) -> Self {
        let own = facts.permissions(guild, &facts.own_roles);
        let subject = facts.own_subject(guild, Some(viewer.user));
        let mut lacking: BTreeMap<u64, Vec<Wanted>> = BTreeMap::new();
        for wanted in wanted.iter().filter(|w| w.bits & !subject.base != 0) {
            lacking.entry(wanted.bits).or_default().push(*wanted);
        }
        let known = structure.guild();
        let rank = |role: &Role| Rank::new(role.position, role.id.get(), guild.get());
        let held = facts.roles.iter();
        let held = held.filter(|role| facts.own_roles.contains(&role.id));
        let own_role = held.max_by_key(|role| rank(role));
        let own_rank = own_role.map(rank);
        let mut above: Vec<_> = facts
            .roles
            .iter()
            .filter(|role| role.id.get() != guild.get() && role.permissions & POWER != 0)
            .filter(|role| Some(rank(role)) > own_rank)
            .collect();
        above.sort_by_key(|role| Reverse(rank(role)));
        Self {
            guild,
            owner: facts.owner,
            own,
            lacking,
            wanted: wanted.iter().fold(0, |all, wanted| all | wanted.bits),
            hidden: hidden(structure),
            channels: structure.coverage().0,
            own_role: own_role.map(|role| Id::new(role.id.get())),
            above: above.iter().map(|role| Id::new(role.id.get())).collect(),
            alerts: alerts(policy.alert_channel, structure, &subject),
            mode: policy.mode,
            broken: viewer.broken,
            timed_out: viewer.timed_out,
            anybody_prunes: !structure.has_feature("PRUNE_REQUIRES_ADMIN"),
            no_second_factor: known["mfa_level"].as_u64() == Some(0),
        }
    }

    pub fn is_administrator(&self) -> bool {
        self.own & bits::ADMINISTRATOR != 0
    }

    pub fn lacks(&self, bits: u64) -> bool {
        !self.is_administrator() && self.own & bits != bits
    }

    pub fn hidden_count(&self) -> usize {
        self.hidden.values().map(Vec::len).sum()
    }
}

/// What the modules that are on here want.
fn wanted(app: &App, guild: GuildId) -> Vec<Wanted> {
    let modules = app.registry.all();
    let on = modules.filter(|module| app.gate.is_enabled(guild, module.id));
    let wanted = on.flat_map(|module| {
        module.needs.iter().filter_map(|need| match need.what {
            Needed::Permission(NativePermissions(bits)) => Some(Wanted {
                module: module.id,
                bits,
                why: need.why,
            }),
            Needed::Intents(_) => None,
        })
    });
    wanted.collect()
}

fn hidden(structure: &Structure) -> BTreeMap<Option<Id>, Vec<Id>> {
    let mut hidden: BTreeMap<_, Vec<Id>> = BTreeMap::new();
    for (id, channel) in structure.all(Kind::Hidden) {
        let category = Id::read(&channel["parent_id"]);
        hidden.entry(category).or_default().push(id);
    }
    // A category is told by its channels.
    let categories: BTreeSet<Id> = hidden.keys().flatten().copied().collect();
    if let Some(alone) = hidden.get_mut(&None) {
        alone.retain(|id| !categories.contains(id));
    }
    hidden.retain(|_, channels| !channels.is_empty());
    hidden
}

fn alerts(channel: Option<Id>, structure: &Structure, subject: &Subject) -> Alerts {
    let Some(id) = channel else {
        return Alerts::Nowhere;
    };
    let seen = structure.get(Kind::Channel, id);
    let Some(seen) = seen.filter(|_| !structure.is_hidden(id)) else {
        return Alerts::Gone(id);
    };
    match TO_WRITE & !subject.in_channel(seen) {
        0 => Alerts::Fine(id),
        lacking => Alerts::Mute(id, lacking),
    }
}
