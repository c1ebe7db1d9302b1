//! The one table of the kinds of jobs that there are: who orders, shows, plans or allows one reads it.

/// A kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobKind {
    /// On the wire and in rows.
    pub name: &'static str,
    /// For people.
    pub about: &'static str,
    /// Whether it changes the server when it is no dry run.
    pub changes_server: bool,
    /// Whether a dry run of it can be ordered through `plan_task`.
    pub planned: bool,
    /// Whether it works from a directory alone, without what the bot wrote down.
    pub runs_locally: bool,
}

pub const CREATE_BACKUP: JobKind = JobKind {
    name: "guild_create_backup",
    about: "a whole server into one file",
    changes_server: false,
    planned: false,
    runs_locally: true,
};

pub const RESTORE_BACKUP: JobKind = JobKind {
    name: "guild_restore_backup",
    about: "makes a server what a backup says",
    changes_server: true,
    planned: true,
    runs_locally: true,
};

/// It needs the bot's record of the incident. It plans by itself where people should look first.
pub const REVERT_INCIDENT: JobKind = JobKind {
    name: "guild_revert_incident",
    about: "undoes what an attacker did",
    changes_server: true,
    planned: false,
    runs_locally: false,
};

pub const MESSAGE_PRUNE: JobKind = JobKind {
    name: "message_prune",
    about: "deletes the newest messages that match",
    changes_server: true,
    planned: true,
    runs_locally: true,
};

/// Whom the owner trusts is the bot's to say; from a terminal only the others are spared.
pub const MASS_BAN: JobKind = JobKind {
    name: "mass_ban",
    about: "bans many people who are named, or takes that back",
    changes_server: true,
    planned: false,
    runs_locally: true,
};

/// It needs what people consented to.
pub const REJOIN_MEMBERS: JobKind = JobKind {
    name: "guild_rejoin_members",
    about: "lets people back in who allowed that beforehand",
    changes_server: true,
    planned: true,
    runs_locally: false,
};

/// The name of what no job made: a backup that somebody brought. It is there as a job that has ended, so
/// that it is shown, restored from and deleted like one, and nobody can order it.
pub const BROUGHT_BACKUP: &str = "guild_upload_backup";

/// All of them.
pub const JOB_KINDS: [JobKind; 6] = [
    CREATE_BACKUP,
    RESTORE_BACKUP,
    REVERT_INCIDENT,
    MESSAGE_PRUNE,
    MASS_BAN,
    REJOIN_MEMBERS,
];

impl JobKind {
    pub fn find(name: &str) -> Option<&'static Self> {
        JOB_KINDS.iter().find(|kind| kind.name == name)
    }
}
