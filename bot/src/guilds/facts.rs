//! The little of a server that is asked for all the time.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use splashtail_core::ids::{GuildId, RoleId, UserId};
use splashtail_guild::permissions::{Subject, base, bits, granted};
use splashtail_guild::{Kind, Structure};

/// A server as far as it is needed to judge who may do what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    pub name: String,
    /// `None` only when Discord named none.
    pub owner: Option<UserId>,
    /// By ascending id; everyone's role, whose id is the server's, is one of them.
    pub roles: Vec<Role>,
    /// Roles of the bot's own member, everyone's not among them.
    pub own_roles: Vec<RoleId>,
    /// When the bot's own member can act again, as Discord writes it (ISO 8601).
    pub own_timeout: Option<String>,
    /// As GUILD_CREATE counted them, followed by joins and leaves, each counted once as far as is
    /// known who is there.
    pub member_count: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Role {
    pub id: RoleId,
    /// Bits that this program does not know are among them.
    pub permissions: u64,
    pub position: i64,
}

impl Facts {
    /// Of a guild object that REST answered; without what only the gateway tells. `None` when it has
    /// no id.
    pub fn from_rest(guild: &Value) -> Option<Self> {
        let mut facts = Self::default();
        facts.follow(&Structure::from_guild(guild)?);
        Some(facts)
    }

    /// Takes over settings and roles.
    pub(super) fn follow(&mut self, structure: &Structure) {
        let guild = structure.guild();
        if let Some(name) = guild["name"].as_str() {
            name.clone_into(&mut self.name);
        }
        self.owner = id(&guild["owner_id"]).and_then(UserId::new).or(self.owner);
        let roles = structure.all(Kind::Role);
        let role = |(id, role): (splashtail_guild::Id, &Value)| {
            Some(Role {
                id: RoleId::new(id.get())?,
                permissions: role["permissions"]
                    .as_str()
                    .and_then(|bits| bits.parse().ok())?,
                position: role["position"].as_i64().unwrap_or_default(),
            })
        };
        self.roles = roles.filter_map(role).collect();
    }

    /// What the server as a whole permits to somebody with these roles: owners and administrators get
    /// no more here than their roles say, and channels may say otherwise.
    pub fn permissions(&self, guild: GuildId, held: &[RoleId]) -> u64 {
        let held: Vec<u64> = held.iter().map(|role| role.get()).collect();
        let roles = self.roles.iter();
        granted(
            guild.get(),
            &held,
            roles.map(|role| (role.id.get(), role.permissions)),
        )
    }

    /// The bot's own member, as far as its permissions depend on it. Of a timeout nothing is said.
    pub fn own_subject(&self, guild: GuildId, user: Option<UserId>) -> Subject {
        let own = self.permissions(guild, &self.own_roles);
        let base = base(false, [own]);
        Subject {
            user: user.map_or(0, UserId::get),
            guild: guild.get(),
            roles: self.own_roles.iter().map(|role| role.get()).collect(),
            unknown_role: None,
            base,
            all: base == bits::ALL,
            timed_out: false,
        }
    }
}

fn id(value: &Value) -> Option<u64> {
    splashtail_guild::Id::read(value).map(splashtail_guild::Id::get)
}

/// A member as GUILD_CREATE and the member events have it.
#[derive(Debug, Deserialize)]
pub(super) struct Member {
    pub(super) user: MemberUser,
    #[serde(default)]
    pub(super) roles: Vec<RoleId>,
    #[serde(default)]
    pub(super) communication_disabled_until: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MemberUser {
    pub(super) id: UserId,
}

/// What of a GUILD_CREATE is no structure.
#[derive(Debug, Deserialize)]
pub(super) struct Beginning {
    #[serde(default)]
    pub(super) member_count: u64,
    /// Only read for the bot's own member, so one that cannot be read spoils nothing.
    #[serde(default)]
    pub(super) members: Vec<Known>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Known {
    Member(Member),
    Other(IgnoredAny),
}

impl Known {
    pub(super) fn id(&self) -> Option<UserId> {
        match self {
            Self::Member(member) => Some(member.user.id),
            Self::Other(_) => None,
        }
    }
}
