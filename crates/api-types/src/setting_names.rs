//! Names of settings, of their entries and columns, that more than one daemon reads: the bot declares
//! what they are, the jobserver goes by them. They stand in rows, so none ever changes.

/// What takes more than one person's word.
pub mod guarded {
    pub const SETTING: &str = "guarded_operations";
    /// Its one entry.
    pub const ENTRY: &str = "server";
    /// Whether it does.
    pub const ENABLED: &str = "enabled";
    /// So many bans a day take one person's word.
    pub const BANS_ABOVE: &str = "bans_above";
}

/// Whether and how attackers are stopped.
pub mod protection {
    pub const SETTING: &str = "protection_policy";
    /// Its one entry.
    pub const ENTRY: &str = "server";
    /// Given to whoever loses their roles.
    pub const QUARANTINE_ROLE: &str = "quarantine_role";
}

/// Whom the owner trusts.
pub mod trust {
    pub const SETTING: &str = "protection_trust";
    /// `user/<id>` or `role/<id>`; also the entry's key.
    pub const WHO: &str = "who";
}

/// How much of a type of act is normal.
pub mod limits {
    pub const SETTING: &str = "protection_limits";
}

/// Custom permissions of roles.
pub mod roles {
    pub const SETTING: &str = "guild_roles";
}
