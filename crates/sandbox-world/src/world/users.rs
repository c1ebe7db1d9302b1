//! Accounts and what they are doing.

use serde::Serialize;
use serde_json::{Value, json};

use super::{Id, World, value};

/// An account, human or bot.
#[derive(Debug, Clone)]
pub struct User {
    pub id: Id,
    pub username: String,
    pub global_name: Option<String>,
    /// `0` for accounts with unique names; bots keep four digits.
    pub discriminator: String,
    pub avatar: Option<String>,
    pub banner: Option<String>,
    pub accent_color: Option<u32>,
    pub bot: bool,
    pub email: Option<String>,
    pub mfa_enabled: bool,
    pub public_flags: u32,
    pub locale: String,
    /// Whether it takes direct messages from members of its guilds.
    pub accepts_dms: bool,
}

impl User {
    pub fn new(id: Id, username: &str) -> Self {
        Self {
            id,
            username: username.to_owned(),
            global_name: None,
            discriminator: "0".to_owned(),
            avatar: None,
            banner: None,
            accent_color: None,
            bot: false,
            email: None,
            mfa_enabled: false,
            public_flags: 0,
            locale: "en-US".to_owned(),
            accepts_dms: true,
        }
    }

    /// The account of an application.
    pub fn bot(id: Id, username: &str) -> Self {
        let discriminator = format!("{:04}", id.0 % 9999 + 1);
        Self {
            bot: true,
            discriminator,
            mfa_enabled: true,
            ..Self::new(id, username)
        }
    }

    /// What everyone sees.
    pub fn json(&self) -> Value {
        value(&self.view())
    }

    /// What everyone sees, ready to be written.
    pub(crate) fn view(&self) -> UserView<'_> {
        UserView {
            id: self.id,
            username: &self.username,
            avatar: self.avatar.as_deref(),
            discriminator: &self.discriminator,
            public_flags: self.public_flags,
            flags: self.public_flags,
            banner: self.banner.as_deref(),
            accent_color: self.accent_color,
            global_name: self.global_name.as_deref(),
            avatar_decoration_data: (),
            collectibles: (),
            primary_guild: (),
            bot: self.bot,
        }
    }

    /// What the account itself sees.
    pub fn private_json(&self, with_email: bool) -> Value {
        let mut user = self.json();
        user["mfa_enabled"] = self.mfa_enabled.into();
        user["locale"] = self.locale.as_str().into();
        user["premium_type"] = 0.into();
        if with_email {
            user["email"] = json!(self.email);
            user["verified"] = true.into();
        }
        user
    }

    /// The name shown in clients.
    pub fn display_name(&self) -> &str {
        self.global_name.as_deref().unwrap_or(&self.username)
    }
}

/// The user object.
#[derive(Debug, Serialize)]
pub(crate) struct UserView<'w> {
    id: Id,
    username: &'w str,
    avatar: Option<&'w str>,
    discriminator: &'w str,
    public_flags: u32,
    flags: u32,
    banner: Option<&'w str>,
    accent_color: Option<u32>,
    global_name: Option<&'w str>,
    avatar_decoration_data: (),
    collectibles: (),
    primary_guild: (),
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    bot: bool,
}

/// What an account shows about itself.
#[derive(Debug, Clone)]
pub struct Presence {
    /// `online`, `idle`, `dnd` or `offline`.
    pub status: String,
    pub activities: Value,
}

impl Presence {
    pub(crate) fn json(&self, user: Id, guild: Option<Id>) -> Value {
        let mut presence = json!({
            "user": {"id": user},
            "status": self.status,
            "activities": self.activities,
            "client_status": if self.status == "offline" { json!({}) } else { json!({"web": self.status}) },
        });
        if let Some(guild) = guild {
            presence["guild_id"] = json!(guild);
        }
        presence
    }
}

impl World {
    /// JSON of a user; of a deleted one when there is none.
    pub fn user_json(&self, id: Id) -> Value {
        value(&self.user_view(id))
    }

    /// As [`user_json`](Self::user_json), ready to be written.
    pub(crate) fn user_view(&self, id: Id) -> UserView<'_> {
        let known = self.users.get(&id).map(User::view);
        known.unwrap_or(UserView {
            id,
            username: "Deleted User",
            avatar: None,
            discriminator: "0",
            public_flags: 0,
            flags: 0,
            banner: None,
            accent_color: None,
            global_name: None,
            avatar_decoration_data: (),
            collectibles: (),
            primary_guild: (),
            bot: false,
        })
    }

    /// Changes a presence and tells every guild of the user.
    pub fn set_presence(&mut self, user: Id, status: &str, activities: Value) {
        let presence = Presence {
            status: status.to_owned(),
            activities,
        };
        let guilds: Vec<Id> = self
            .guilds
            .values()
            .filter(|g| g.members.contains_key(&user))
            .map(|g| g.id)
            .collect();
        for guild in guilds {
            let payload = presence.json(user, Some(guild));
            self.emit(
                guild,
                "PRESENCE_UPDATE",
                super::intent::GUILD_PRESENCES,
                0,
                payload,
            );
        }
        self.presences.insert(user, presence);
    }
}
