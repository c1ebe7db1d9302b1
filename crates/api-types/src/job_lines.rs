//! What jobs say in their logs and people read elsewhere: by code, so that whoever shows it can say it in another
//! language. The English sentence is what stands in the log and in the API.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The extra value of an entry that is its code.
pub const KEY: &str = "line";

/// Codes of refusals and of failed jobs that say all there is to say: their messages name nothing else.
pub const REFUSALS: [&str; 16] = [
    "attachments_without_messages",
    "bot_timed_out",
    "cancelled",
    "discord_token",
    "disk_full",
    "file_not_allowed",
    "incident_unreadable",
    "no_backup_file",
    "no_such_backup",
    "no_such_incident",
    "no_such_put_back",
    "password_required",
    "plan_changed",
    "slot_taken",
    "storage_full",
    "wrong_password",
];

/// `Variant = "code", "sentence";`, with the names of extra values in braces.
macro_rules! lines {
    ($($variant:ident = $code:literal, $text:literal;)+) => {
        /// A sentence of a log.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Line {
            $(#[doc = $text] $variant,)+
        }

        impl Line {
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub const fn code(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            const fn text(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

lines! {
    AskManyObjects = "ask_many_objects", "{about} things are changed";
    AskManyBans = "ask_many_bans", "{about} bans are lifted";
    AskUnattributed = "ask_unattributed", "nobody knows who did it, so it may have been meant";
    AskDangerous = "ask_dangerous_permissions", "roles or channels get dangerous permissions back";
    AskEveryone = "ask_everyone", "permissions of @everyone are changed";
    AskUndo = "ask_undo", "the attack is as it was afterwards";
    AskForeign = "ask_foreign_content", "others have written in {about}, which is deleted";
    ReadBackup = "read_backup", "Read the backup";
    SafetyBackup = "safety_backup", "Making a safety backup of the server as it is";
    NothingToRestore = "nothing_to_restore", "Nothing had to be done";
    Restored = "restored", "Restored: all {done} changes were made";
    RestoredPartly = "restored_partly",
        "Restored: {done} of {of} changes were made; {notRestored} things are not as in the backup, the report names them";
    NothingToPutBack = "nothing_to_put_back", "There is nothing to put back";
    NothingWasPutBack = "nothing_was_put_back", "There was nothing to put back";
    PutBackOne = "put_back_one", "Put back: the only change was made";
    PutBack = "put_back", "Put back: all {done} changes were made";
    PutBackPartly = "put_back_partly",
        "Put back: {done} of {of} changes were made; {notRestored} things are not as before, the report names them";
    TakenBackOne = "taken_back_one", "Taken back: the only change was made";
    TakenBack = "taken_back", "Taken back: all {done} changes were made";
    TakenBackPartly = "taken_back_partly",
        "Taken back: {done} of {of} changes were made; {notRestored} things are not as before, the report names them";
    Refused = "refused", "Not restored: Discord refused it";
    SettingsFollow = "settings_follow", "The server's settings name the new roles and channels";
    StageDeleting = "stage_deleting", "Deleting what was not there before";
    StageRoles = "stage_roles", "Restoring roles";
    StageChannels = "stage_channels", "Restoring channels";
    StageServer = "stage_server", "Restoring the server's settings";
    StageExpressions = "stage_expressions", "Restoring emojis, stickers and sounds";
    StageAutomod = "stage_automod", "Restoring AutoMod rules";
    StageEvents = "stage_events", "Restoring events";
    StageNewcomers = "stage_newcomers", "Restoring what newcomers see";
    StageWebhooks = "stage_webhooks", "Restoring webhooks and invites";
    StagePeople = "stage_people", "Putting back members and bans";
    StageMembers = "stage_members", "Restoring members";
    StageBans = "stage_bans", "Restoring bans";
    StageMessages = "stage_messages", "Posting the messages of a channel";
    StageThreads = "stage_threads", "Making the threads of a channel";
    Banned = "banned", "Banned {done} of {of}";
    BannedBefore = "banned_before", "Banned before";
    NotBanned = "not_banned", "Not banned: Discord refused it";
    BanStopped = "ban_stopped", "Not banned: it went no further";
    Lifted = "lifted", "Lifted {done} of {of} bans";
    BannedAnew = "banned_anew", "Left alone: somebody banned them anew since";
    WereBannedBefore = "were_banned_before", "Left alone: they were banned before";
    NotLifted = "not_lifted", "Not lifted: Discord refused it";
    RejoinPlanned = "rejoin_planned", "{of} people are to be let back in; {here} are there already";
    Rejoined = "rejoined", "Let back in: {done} of {of}";
    NotRejoined = "not_rejoined", "Not let back in; the report says why";
    NotConsented = "not_consented", "Left alone: they did not allow it";
    RejoinStopped = "rejoin_stopped", "Not let back in: it went no further";
    PruneLooks = "prune_looks", "Looking for messages to delete";
    PruneLooksDry = "prune_looks_dry", "Looking for messages that would be deleted";
    PruneWould = "prune_would", "These messages would be deleted";
    Pruned = "pruned", "Deleted the messages";
    PruneStopped = "prune_stopped", "Stopped where Discord refused; what had been deleted by then is in the report";
    NotPruned = "not_pruned", "Messages of a channel were not deleted";
    ReadServer = "read_server", "Read the server's settings, roles and channels";
    PartLeftOut = "part_left_out", "A part of the server is not in the backup: the bot may not read it";
    NoImage = "no_image", "The server has no such image";
    SavedImage = "saved_image", "Saved an image of the server";
    ImageNotSaved = "image_not_saved", "An image of the server was not saved";
    ListedThreads = "listed_threads", "Listed the threads";
    SharedOut = "shared_out", "Shared out the messages";
    WroteFile = "wrote_file", "Wrote the backup file";
    ReadMessages = "read_messages", "Read all messages";
    UnfinishedChannel = "unfinished_channel", "A channel could not be read to the end";
    SavedChannel = "saved_channel", "Saved the messages of a channel";
    LostAttachments = "lost_attachments", "Attachments were not saved";
    ReadPeople = "read_people", "Read the people of the server";
    SavedFiles = "saved_files", "Saved pictures and sounds of the server";
    LostFiles = "lost_files", "Pictures or sounds of the server were not saved";
    CopiesFormer = "copies_former", "Messages that an earlier backup has are copied from it";
    ReadsAll = "reads_all", "Everything is read from Discord";
    ReadAfterAll = "read_after_all", "A channel is read from Discord after all";
    ArchivedLeftOut = "archived_left_out", "Archived threads of a channel are left out";
    PrivateLeftOut = "private_left_out", "Private archived threads of a channel are left out";
    ChannelsHidden = "why_hidden",
        "Channels are hidden from the bot";
    ChannelsPermission = "why_permission",
        "Channels cannot be read: the bot lacks View Channel, Read Message History or, for voice, Connect";
    ChannelsUnknownKind = "why_unknown_kind",
        "The messages of channels of an unknown kind are left out: this version cannot read them";
    ChannelsRefused = "why_refused",
        "Channels could not be read to the end";
    ThreadsTooMany = "why_too_many",
        "There are too many threads, the oldest are left out";
    ThreadsSameInstant = "why_same_instant",
        "So many threads were archived at the same instant that Discord does not list them all";
    ThreadsPrivate = "why_private_threads",
        "Private threads that the bot has not joined are not in the backup: it lacks Manage Threads";
}

impl Line {
    #[must_use]
    pub fn of(code: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|line| line.code() == code)
    }

    /// The names of the values that are in it.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let parts = self.text().split('{').skip(1);
        parts.filter_map(|part| Some(part.split_once('}')?.0))
    }

    /// The English sentence, with these values in it.
    #[must_use]
    pub fn say(self, values: &Map<String, Value>) -> String {
        let mut parts = self.text().split('{');
        let mut said = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            let (name, rest) = part.split_once('}').unwrap_or((part, ""));
            match values.get(name) {
                Some(Value::String(text)) => said.push_str(text),
                Some(value) => {
                    let _ = write!(said, "{value}");
                }
                None => said.push('?'),
            }
            said.push_str(rest);
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    #[test]
    fn a_line_is_known_by_its_code_and_filled_from_the_entry() {
        let codes: BTreeSet<&str> = Line::ALL.iter().map(|line| line.code()).collect();
        assert_eq!(codes.len(), Line::ALL.len());
        for line in Line::ALL {
            assert_eq!(Line::of(line.code()), Some(*line));
        }
        let values = json!({"done": 3, "of": 5, "notRestored": 2});
        let said = Line::PutBackPartly.say(values.as_object().unwrap());
        assert!(
            said.starts_with("Put back: 3 of 5 changes were made; 2 things"),
            "{said}"
        );
        let names: Vec<&str> = Line::PutBackPartly.names().collect();
        assert_eq!(names, ["done", "of", "notRestored"]);
    }
}
