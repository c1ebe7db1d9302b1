//! Everything Discord would know: guilds, channels, messages, people, applications.
//!
//! Plain data and rules, no input or output. Every change that the gateway announces goes
//! through a method here, which queues the event; the REST layer decides whether it may happen.

mod announce;
mod apart;
mod apps;
mod assets;
mod audit;
mod channels;
mod conduct;
mod events;
mod guilds;
mod id;
mod installs;
mod interactions;
mod joining;
mod members;
mod message_view;
mod messages;
pub mod permissions;
mod removals;
mod scheduled_events;
mod sight;
mod snapshots;
mod soundboard;
mod stages;
mod templates;
mod unknown;
mod users;
mod voice;
mod votes;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

pub use apps::{AccessToken, Application, Command, CommandPermission, SessionStarts};
pub use assets::{Asset, AssetKind, Assets, Stored, clean_filename};
pub use audit::{Audit, AuditEntry, AuditLog, Change, action};
pub use channels::{Channel, Overwrite, Tag, ThreadMember, ThreadState};
pub use conduct::{AuditTiming, Conduct};
pub use events::compact;
pub(crate) use events::value;
pub use events::{Event, EventSink, Payload, intent};
pub use guilds::{
    AutomodRule, Ban, Emoji, Guild, Incidents, Integration, Invite, Role, Sticker, Subscription,
    VoiceState, Webhook,
};
pub use id::{EPOCH_MS, Id, Snowflakes, Stamp};
pub use interactions::{Callback, Interaction, InteractionError, NewInteraction};
pub use joining::{APPROVAL_BY_HAND, Door, Entry, JoinRequest, NoEntry, Verdict};
pub use members::{BYPASSES_VERIFICATION, DID_REJOIN, Member, QUARANTINED};
pub(crate) use message_view::MessageView;
pub use messages::{
    AUTOMOD_ALERT, Attachment, COMPONENTS_V2, CROSSPOSTED, EPHEMERAL, HAS_SNAPSHOT, HAS_THREAD,
    IS_CROSSPOST, LOADING, Message, Reaction, SOURCE_DELETED, SPOILER_FILE, SUPPRESS_EMBEDS,
};
pub use removals::{Removal, Removals, Removed};
pub use scheduled_events::{EventException, EventStatus, ScheduledEvent, Venue};
pub use sight::{HIDDEN_NAME, OBFUSCATED};
pub use snapshots::{MAX_GUILDS_PER_SHARD, MemberQuery, MembersAsked};
pub use soundboard::Sound;
pub use stages::StageInstance;
pub use templates::Template;
pub use unknown::Unknown;
pub use users::{Presence, User};

use crate::clock::SandboxClock;
use crate::faults::Faults;

/// Where clients reach the sandbox, as written into answers.
#[derive(Debug, Clone)]
pub struct Addresses {
    /// Origin of REST, CDN and OAuth2, without a trailing slash: `http://127.0.0.1:4400`.
    pub rest: String,
    /// `ws://127.0.0.1:4401`.
    pub gateway: String,
}

/// The state of everything. All maps that are ever listed are ordered, so that the same script
/// gives the same answers.
#[derive(Debug)]
pub struct World {
    /// Name of the seed it was built from.
    pub name: String,
    pub seed: u64,
    pub addresses: Addresses,
    pub(crate) clock: Arc<SandboxClock>,
    pub(crate) ids: Snowflakes,
    /// While a seed is built: nothing is announced and time is what the seed says.
    pub(crate) building: Option<Stamp>,

    pub users: HashMap<Id, User>,
    pub guilds: BTreeMap<Id, Guild>,
    /// Channels, threads and direct messages alike.
    pub channels: HashMap<Id, Channel>,
    /// By channel, then by id: paging is a range.
    pub messages: HashMap<Id, BTreeMap<Id, Message>>,
    pub webhooks: BTreeMap<Id, Webhook>,
    pub invites: BTreeMap<String, Invite>,
    /// Templates of guilds by code.
    pub templates: BTreeMap<String, Template>,
    pub apps: BTreeMap<Id, Application>,
    /// Bot token → application.
    pub bot_tokens: HashMap<String, Id>,
    /// OAuth2 access token → grant.
    pub access_tokens: HashMap<String, AccessToken>,
    pub interactions: BTreeMap<Id, Interaction>,
    /// Interaction token → interaction.
    pub interaction_tokens: HashMap<String, Id>,
    /// When those that are over were last forgotten, in steady time.
    pub(crate) interactions_swept_ms: i64,
    pub presences: HashMap<Id, Presence>,
    pub assets: Assets,
    /// What is settable about its behaviour.
    pub conduct: Conduct,
    pub(crate) sights: sight::Sights,
    /// Audit entries so far: what the delay of the next one is drawn by.
    pub(crate) audit_written: u64,
    pub(crate) outbox: Vec<Arc<Event>>,
    /// Rules that make audit entries late or lose them; those of the sandbox.
    pub(crate) faults: Arc<Faults>,
    pub(crate) interaction_changes: u64,
}

impl World {
    /// A world with nobody in it.
    pub fn empty(name: &str, seed: u64, addresses: &Addresses, clock: &Arc<SandboxClock>) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            addresses: addresses.clone(),
            clock: clock.clone(),
            ids: Snowflakes::default(),
            building: None,
            users: HashMap::new(),
            guilds: BTreeMap::new(),
            channels: HashMap::new(),
            messages: HashMap::new(),
            webhooks: BTreeMap::new(),
            invites: BTreeMap::new(),
            templates: BTreeMap::new(),
            apps: BTreeMap::new(),
            bot_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
            interactions: BTreeMap::new(),
            interaction_tokens: HashMap::new(),
            interactions_swept_ms: 0,
            presences: HashMap::new(),
            assets: Assets::new(seed),
            conduct: Conduct::default(),
            sights: sight::Sights::default(),
            audit_written: 0,
            outbox: Vec::new(),
            faults: Arc::new(Faults::new(seed)),
            interaction_changes: 0,
        }
    }

    /// The present of the sandbox.
    pub fn now(&self) -> Stamp {
        self.building.unwrap_or_else(|| Stamp(self.clock.now_ms()))
    }

    /// Milliseconds of the time that is never set back, for what lasts so long.
    pub fn steady_ms(&self) -> i64 {
        let built = self.building.map(|at| at.0);
        built.unwrap_or_else(|| self.clock.steady_ms())
    }

    /// What the clock shows at a moment of steady time, if it is not moved until then.
    pub fn shown_at(&self, steady_ms: i64) -> Stamp {
        self.now().plus(steady_ms - self.steady_ms())
    }

    /// A fresh snowflake.
    pub fn next_id(&mut self) -> Id {
        let now = self.now();
        self.ids.next(now)
    }

    /// An id as of `made`, for what has been there since then.
    pub fn old_id(&mut self, made: Stamp) -> Id {
        // What is made in one moment of the present differs in its low bits.
        Id(Id::at(made).0 | (self.next_id().0 & !(u64::MAX << 22)))
    }

    /// A secret-looking string that depends on the seed and `purpose` alone.
    pub fn secret(&self, purpose: &str, length: usize) -> String {
        assets::secret(self.seed, purpose, length)
    }

    /// The guild a channel or thread belongs to.
    pub fn guild_of(&self, channel: Id) -> Option<Id> {
        self.channels.get(&channel)?.guild_id
    }

    /// Whether a channel is for adults alone: by itself, or as a thread by its parent.
    pub fn is_age_restricted(&self, channel: Id) -> bool {
        self.channels.get(&channel).is_some_and(|place| {
            let parent = place.parent_id.filter(|_| place.is_thread());
            let parent = parent.and_then(|parent| self.channels.get(&parent));
            parent.unwrap_or(place).nsfw
        })
    }

    /// Whether a channel is in a guild that is for adults alone, whatever it is by itself.
    pub fn is_in_age_restricted_guild(&self, channel: Id) -> bool {
        let guild = self.guild_of(channel).and_then(|id| self.guilds.get(&id));
        guild.is_some_and(|guild| matches!(guild.nsfw_level, 1 | 3))
    }
}
