//! Every code that an error answer of the web API can carry. `docs/errors.md` and `splashtail explain`
//! come from this table.

use std::fmt::Write as _;

/// `Variant = "code", status, "what happened", "what to do";`
macro_rules! problems {
    ($($variant:ident = $code:literal, $status:literal, $what:literal, $remedy:literal;)+) => {
        /// The `code` of an [`ErrorBody`](crate::ErrorBody).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $what] $variant,)+
        }

        impl Code {
            /// In alphabetical order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $code,)+
                }
            }

            /// The HTTP status that it comes with.
            pub const fn status(self) -> u16 {
                match self {
                    $(Self::$variant => $status,)+
                }
            }

            /// What happened.
            pub const fn what(self) -> &'static str {
                match self {
                    $(Self::$variant => $what,)+
                }
            }

            /// What the reader does now.
            pub const fn remedy(self) -> &'static str {
                match self {
                    $(Self::$variant => $remedy,)+
                }
            }
        }
    };
}

problems! {
    AlreadyRolling = "already_rolling", 409,
        "The clusters are being restarted one after the other already.",
        "Wait until the action log says that it is done.";
    AlreadyRunning = "already_running", 409,
        "The cluster runs already.",
        "Nothing, or restart it.";
    AttachmentsWithoutMessages = "attachments_without_messages", 400,
        "Attachments were asked for without messages.",
        "Set `BackupMessages` too, or leave `BackupAttachments` out.";
    BackupDamaged = "backup_damaged", 409,
        "The file of the backup is damaged; the message says where.",
        "Use another backup; `splashtail backup verify` names all that is damaged in a downloaded file.";
    BackupTooLarge = "backup_too_large", 409,
        "The file of the backup is too large to be looked into while you wait.",
        "Download it and use `splashtail backup inspect` or `splashtail backup diff`.";
    BadCredentials = "bad_credentials", 400,
        "The token cannot be read: it is sent twice, in two headers, or is not ASCII.",
        "Send one header: `Authorization: User <token>` or `Authorization: Server <token>`.";
    BadFilename = "bad_filename", 400,
        "The name of the stored file cannot be sent in a header.",
        "Ask the operator to look at the task.";
    BadGateway = "bad_gateway", 502,
        "Another part of the platform gave an answer that makes no sense.",
        "Try again in some seconds. If it stays, the operator checks that all parts are of one \
         version.";
    BadRequest = "bad_request", 400,
        "The request makes no sense at this address.",
        "Read the message; for a login open the protected link itself.";
    BodyRequired = "body_required", 400,
        "The request has no body.",
        "Send a JSON body with `Content-Type: application/json`.";
    BodyTooLarge = "body_too_large", 413,
        "The request body is larger than this path takes.",
        "Send less; the message says how much is taken.";
    BusDown = "bus_down", 409,
        "The clusterer cannot reach the message bus.",
        "The operator looks after Redis or the bus socket, then tries again.";
    Busy = "busy", 409,
        "Others are changing the settings of this server right now.",
        "Read the settings again and repeat the change.";
    CacheUnavailable = "cache_unavailable", 503,
        "The store of short-lived keys does not answer.",
        "Try again after `Retry-After`. The operator looks after Redis.";
    CallerMissing = "caller_missing", 400,
        "The job needs to know who ordered it.",
        "Order it with a user's token at `/guilds/{guild_id}/jobs/{job}`.";
    ClusterElsewhere = "cluster_elsewhere", 503,
        "The cluster of this server runs on another host.",
        "Ask the web server of that host.";
    ClusterUnavailable = "cluster_unavailable", 503,
        "The cluster of this server is not running at the moment.",
        "Try again after `Retry-After`; `/clusters/health` shows the clusters.";
    ConsentEnding = "consent_ending", 409,
        "An earlier consent of the person is being ended at Discord at this moment, and would take this one \
         along.",
        "Allow it once more in some minutes.";
    Crowded = "crowded", 503,
        "As many connections or streams are open as there may be.",
        "Close some, or try again after `Retry-After`.";
    DatabaseUnavailable = "database_unavailable", 503,
        "The database does not answer.",
        "Try again after `Retry-After`. The operator looks after the database.";
    DiscordRateLimited = "discord_rate_limited", 429,
        "Discord limits logins at the moment.",
        "Try again after `Retry-After`.";
    DiscordRefused = "discord_refused", 400,
        "Discord refused the login; its own words are in the context.",
        "Log in again. If it stays, the operator compares `discord_auth.client_secret` and the \
         redirect addresses with the application at Discord.";
    DiscordRefuses = "discord_refuses", 409,
        "Discord refuses the bot, so no cluster can start.",
        "The operator mends what `/clusters/health` names under `Hold`.";
    DiscordUnavailable = "discord_unavailable", 503,
        "Discord cannot be reached.",
        "Try again after `Retry-After`; see discordstatus.com.";
    DiscordUnexpected = "discord_unexpected", 502,
        "Discord gave an answer that makes no sense.",
        "Try again; see discordstatus.com.";
    DoubledField = "doubled_field", 400,
        "A field is given twice, in two spellings.",
        "Leave one.";
    FileNotAllowed = "file_not_allowed", 400,
        "The file of the backup is one that only local jobs may read.",
        "Name a backup task or an address at Discord.";
    FleetUnavailable = "fleet_unavailable", 412,
        "The bot's clusters are starting or out of reach.",
        "Try again after `Retry-After`.";
    Forbidden = "forbidden", 403,
        "You are known, and this is not yours to do.",
        "Read the message: it names what is missing and who can give it.";
    Guarded = "guarded", 409,
        "In this server a second trusted person has to agree to this.",
        "Ask for it in Discord, where the others are told; `/guarded pending` shows what waits.";
    HostMissing = "host_missing", 409,
        "The host of this cluster is not there.",
        "Start the clusterer on that host.";
    IncompleteBody = "incomplete_body", 400,
        "The request body broke off.",
        "Send it again.";
    Internal = "internal", 500,
        "A fault of ours.",
        "Report it with the `request_id` of the context; the log of the web server has the cause \
         under it.";
    InvalidArgs = "invalid_args", 400,
        "A part of the order is not in a form that is taken; the message says which.",
        "Compare it with the operation at `/docs/splashtail`.";
    InvalidBackup = "invalid_backup", 400,
        "The file is no backup of a server, or it is damaged; the message says what is wrong.",
        "Send the `.iblfile` itself, as it was downloaded; `splashtail backup verify` names what is \
         damaged.";
    InvalidBackupSource = "invalid_backup_source", 400,
        "The backup to restore is not named, or not in a form that is taken.",
        "Name a task of this server or an address at Discord in `BackupSource`.";
    InvalidBody = "invalid_body", 400,
        "The body is not the JSON that this path takes; the context says what is wrong.",
        "Compare it with the operation at `/docs/splashtail`.";
    InvalidCallerId = "invalid_caller_id", 400,
        "Who ordered the job is not named by an id.",
        "Order it with a user's token at `/guilds/{guild_id}/jobs/{job}`, which names you.";
    InvalidCallerPermissions = "invalid_caller_permissions", 400,
        "What whoever ordered the job may do is not a set of permissions.",
        "Order it with a user's token at `/guilds/{guild_id}/jobs/{job}`, which says it.";
    InvalidData = "invalid_data", 400,
        "The fields of the job are not an object.",
        "Send a JSON object.";
    InvalidDestination = "invalid_destination", 400,
        "The address to return to takes no login.",
        "Open the protected link itself.";
    InvalidId = "invalid_id", 400,
        "This is not an id.",
        "Ids are decimal digits, as text.";
    InvalidIdempotencyKey = "invalid_idempotency_key", 400,
        "The idempotency key is empty or too long.",
        "Send 1 to 64 characters in `Idempotency-Key`.";
    InvalidIncident = "invalid_incident", 400,
        "The incident is not named by its id.",
        "Take one of `/guilds/{guild_id}/incidents`.";
    InvalidKnownChannels = "invalid_known_channels", 400,
        "The channels that the order names are not a list of channels.",
        "Leave `KnownChannels` out.";
    InvalidOption = "invalid_option", 400,
        "An option of the job is not valid; the message says which.",
        "Compare it with the operation at `/docs/splashtail`.";
    InvalidQuery = "invalid_query", 400,
        "A parameter of the address is not valid; the context says which.",
        "Compare it with the operation at `/docs/splashtail`.";
    InvalidRedirect = "invalid_redirect", 400,
        "The login would end at an address that is not ours.",
        "Use the `redirect_uri` that `/config` names.";
    InvalidScope = "invalid_scope", 400,
        "The scope is not one of those that are taken.",
        "Read the message: it names them.";
    InvalidServerId = "invalid_server_id", 400,
        "`ServerID` is not the id of a server.",
        "Send its digits as text.";
    InvalidSpecialAllocation = "invalid_special_allocation", 400,
        "A number of messages for a channel of its own is not valid.",
        "Read the message: it names the channel and the limit.";
    LoginExpired = "login_expired", 401,
        "Discord no longer accepts this login.",
        "Log in again.";
    LoginRefused = "login_refused", 403,
        "The login was answered by somebody else than Discord.",
        "Start the login again.";
    MethodNotAllowed = "method_not_allowed", 405,
        "This path does not take this method.",
        "See `/docs/splashtail`.";
    MissingScope = "missing_scope", 400,
        "The consent does not include what is needed.",
        "Log in again and leave all boxes checked.";
    NoCode = "no_code", 400,
        "Discord sent no code.",
        "Start the login again.";
    NoSessions = "no_sessions", 409,
        "Discord lets the bot start no more sessions today.",
        "Wait until the time that `/clusters/health` names.";
    NoSuchBackup = "no_such_backup", 400,
        "The job that was named left no backup in this server.",
        "Take one of `/guilds/{guild_id}/jobs`, or upload a file.";
    NoSuchBan = "no_such_ban", 400,
        "The job that was named banned nobody in this server.",
        "Check its id.";
    NoSuchIncident = "no_such_incident", 400,
        "There is no such incident in this server.",
        "Take one of `/guilds/{guild_id}/incidents`.";
    NoSuchPast = "no_such_past", 400,
        "How the server was at that time is not known; the message says since when it is.",
        "Choose another time, or a backup.";
    NotABackup = "not_a_backup", 409,
        "What the job left is no backup of a server.",
        "Name a job that made a backup.";
    NotConfigured = "not_configured", 503,
        "This installation has no application at Discord that people can log in to.",
        "The operator sets the keys that the message names.";
    NotEnded = "not_ended", 409,
        "The job waits or runs.",
        "Cancel it first, or wait until it has ended.";
    NotFound = "not_found", 404,
        "There is nothing of this name, or it is not yours to see.",
        "Check the id.";
    NotFullyUp = "not_fully_up", 409,
        "Not all clusters are up yet.",
        "Wait until `/clusters/health` says `FullyUp`.";
    NotJson = "not_json", 400,
        "The body is not declared as JSON.",
        "Send `Content-Type: application/json`.";
    NotPending = "not_pending", 409,
        "The job runs already or has ended.",
        "Nothing.";
    NotRunning = "not_running", 409,
        "The cluster does not run.",
        "Start it first.";
    NotYours = "not_yours", 403,
        "What was asked for is for other people of this server.",
        "Read the message: it says for whom.";
    NothingToPlan = "nothing_to_plan", 400,
        "There are no plans of this kind of job.",
        "Order it without a plan.";
    OutdatedClient = "outdated_client", 400,
        "The login speaks a protocol that is no longer taken.",
        "Reload the page, or update the program.";
    PasswordRequired = "password_required", 400,
        "The backup is encrypted.",
        "Send its password.";
    PasswordTooLong = "password_too_long", 400,
        "The password is too long.",
        "The message says how long it may be.";
    PerChannelTooLarge = "per_channel_too_large", 400,
        "More messages per channel were asked for than in all.",
        "Lower `PerChannel`.";
    PerChannelTooSmall = "per_channel_too_small", 400,
        "Fewer messages per channel were asked for than the smallest number.",
        "Raise `PerChannel`; the message says how far.";
    PermissionDenied = "permission_denied", 403,
        "The bot says that you, or the limits of this token, may not do this in this server. `var` \
         says why, `X-Error-Type` is `permission_check`.",
        "Read the message: it names the permission. The server's staff can give it; a limited token \
         needs it among its limits.";
    PlanChanged = "plan_changed", 409,
        "Something else would be done by now than was shown.",
        "Look at the plan again, and give the new hash.";
    RangeNotSatisfiable = "range_not_satisfiable", 416,
        "The range lies outside of the file.",
        "Ask for a part that `Content-Range` allows.";
    RateLimited = "rate_limited", 429,
        "Too many requests.",
        "Wait for `Retry-After` seconds.";
    ReshardDisabled = "reshard_disabled", 409,
        "The number of shards is fixed on this installation.",
        "Change the cluster file of all hosts.";
    ReshardInProgress = "reshard_in_progress", 409,
        "The clusters are being cut anew.",
        "Wait until it is done.";
    SettingsRefused = "settings_error", 400,
        "The change of the setting is not valid; the one key beside `code` says what is wrong. \
         `X-Error-Type` is `settings_error`.",
        "Mend the column that it names.";
    ShuttingDown = "shutting_down", 409,
        "The clusterer is stopping.",
        "Wait until it is back.";
    SlotTaken = "slot_taken", 409,
        "The server runs such a job already.",
        "Wait for it or cancel it.";
    SourceNotAllowed = "source_not_allowed", 400,
        "Backups are not fetched from this address.",
        "Upload the file in Discord and use its address.";
    Starting = "starting", 503,
        "The web server has not reached the database yet.",
        "Try again after `Retry-After`.";
    Stopping = "stopping", 409,
        "The cluster is being stopped.",
        "Wait until it has stopped.";
    TaskMismatch = "task_mismatch", 400,
        "The order does not fit the job.",
        "Read the job again.";
    TestWaits = "test_waits", 409,
        "The last test of this webhook is still on its way.",
        "See how it goes among the webhook's messages, and try again when it has ended.";
    Timeout = "timeout", 504,
        "The answer took too long.",
        "Try again. What was ordered may have been done: look first.";
    TooManyMessages = "too_many_messages", 400,
        "More messages were asked for than may be.",
        "The message says how many.";
    TooManySessions = "too_many_sessions", 409,
        "You have as many API tokens as you may.",
        "Revoke one that you no longer need.";
    TooManyUploads = "too_many_uploads", 409,
        "The server has as many uploaded backups as it may.",
        "Delete one: `DELETE /guilds/{guild_id}/jobs/{job}`.";
    Unauthorized = "unauthorized", 401,
        "No token, or one that is not valid, has ended or was revoked.",
        "Log in, or send `Authorization: User <token>`.";
    Unavailable = "unavailable", 503,
        "Another part of the platform cannot be reached at the moment.",
        "Try again after `Retry-After`.";
    UnknownAction = "unknown_action", 400,
        "There is no such command.",
        "See `/docs/splashtail`.";
    UnknownCluster = "unknown_cluster", 409,
        "There is no such cluster.",
        "`/clusters/health` lists them.";
    UnknownCursor = "unknown_cursor", 400,
        "The list cannot go on after this.",
        "Start the list from its beginning.";
    UnknownDocs = "unknown_docs", 400,
        "There is no documentation of this name.",
        "Open `/docs/splashtail`.";
    UnknownGuild = "unknown_guild", 404,
        "The bot is not in this server.",
        "Add it: `/invite`.";
    UnknownMember = "unknown_member", 404,
        "You are not in this server.",
        "Join it first.";
    UnknownModule = "unknown_module", 404,
        "There is no such module.",
        "`/modules` lists them.";
    UnknownPath = "unknown_path", 404,
        "There is no such path.",
        "See `/docs/splashtail`.";
    UnknownPlatform = "unknown_platform", 415,
        "There is no such platform.",
        "The only one is `discord`.";
    UnknownProof = "unknown_proof", 400,
        "The proof of who you are was used, took too long or was made for another page.",
        "Open the link again.";
    UnknownSetting = "unknown_setting", 404,
        "There is no such setting.",
        "`/modules` lists them.";
    UnknownState = "unknown_state", 400,
        "This login was finished or took too long.",
        "Start it again.";
    UnknownTask = "unknown_task", 400,
        "There is no such kind of job.",
        "The names are in `/docs/splashtail`.";
    WrongPassword = "wrong_password", 400,
        "The password does not open the backup.",
        "Send the one that was given when the backup was ordered.";
}

impl Code {
    pub fn find(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// Those that look like it, for who mistyped one.
    pub fn like(text: &str) -> impl Iterator<Item = Self> {
        let text = text.to_ascii_lowercase();
        let near = move |code: &Self| {
            let own = code.as_str();
            !text.is_empty()
                && (own.contains(&text)
                    || text
                        .split('_')
                        .any(|word| word.len() > 3 && own.contains(word)))
        };
        Self::ALL.iter().copied().filter(near)
    }
}

/// `docs/errors.md`.
pub fn page() -> String {
    let mut page = String::from(
        "# Error codes\n\n\
         Every answer of the web API that is not a success is JSON with a `code`, which stays the \
         same for ever,\nand a `message` for people, which may change. Some have a `context` by name. \
         A 5xx names the\n`request_id` under which the log of the web server knows the cause.\n\n\
         `splashtail explain CODE` prints an entry. This page is made from\n\
         `crates/api-types/src/problems.rs`.\n",
    );
    for code in Code::ALL {
        let (name, status) = (code.as_str(), code.status());
        let (what, remedy) = (code.what(), code.remedy());
        // Writing to text does not fail.
        let _ = write!(page, "\n## {name}\n\nStatus {status}. {what}\n\n{remedy}\n");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/errors.md");

    /// `UPDATE_DOCS=1` writes it.
    #[test]
    fn the_page_is_current() {
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(PAGE, page()).unwrap();
            return;
        }
        let written = std::fs::read_to_string(PAGE).unwrap_or_default();
        assert!(written == page(), "run this test with UPDATE_DOCS=1");
    }

    #[test]
    fn codes_are_words_and_each_is_there_once_in_order() {
        let codes: Vec<_> = Code::ALL.iter().map(|code| code.as_str()).collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), codes.len());
        for code in Code::ALL {
            let text = code.as_str();
            let word = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(text.chars().all(word), "{text}");
            assert_eq!(Code::find(text), Some(*code));
            assert!((400..600).contains(&code.status()), "{text}");
            assert!(
                code.what().ends_with('.') && code.remedy().ends_with('.'),
                "{text}"
            );
        }
        assert_eq!(Code::find("no such"), None);
    }

    #[test]
    fn a_mistyped_code_leads_to_its_neighbours() {
        let like = |text| Code::like(text).map(Code::as_str).collect::<Vec<_>>();
        assert_eq!(like("rate"), ["discord_rate_limited", "rate_limited"]);
        assert!(like("unknown_settings").contains(&"unknown_setting"));
        assert_eq!(like(""), [""; 0]);
    }
}
