//! What programs ask for in somebody's name: acts on an incident as its buttons do them, and what a panic
//! would take.

use std::sync::Arc;

use http::StatusCode;
use splashtail_antinuke::Input;
use splashtail_api_types::incidents::{PanicPreview, PanicRole};
use splashtail_core::ids::TaskId;
use splashtail_guild::Id;
use splashtail_ipc::clients::ClientError;

use super::buttons::{Asked, Wish, wish};
use super::progress::Parts;
use super::put_back::NotOrdered;
use super::service::Protection;
use crate::app::App;
use crate::catalogue::Language;
use crate::configuration;
use crate::error::BotError;
use crate::guilds::GuildView;
use crate::text;

/// The command that trusts somebody.
pub(super) const TRUSTS: &str = "protection trust";

/// What others than buttons can ask for: give back what was taken, note that it was no attack, stop the
/// suspects, raise a panic and end it, put back what was broken, have a plan of that carried out, take a
/// put-back back, trust the suspect.
pub const ACTS: [&str; 10] = [
    "undo",
    "fine",
    "contain",
    "panic",
    "calm",
    "back",
    "parts",
    "approve",
    "take_back",
    "trust",
];
/// As the jobserver has it for a server whose other job goes on.
const SLOT_TAKEN: &str = "slot_taken";
const GUARDED: &str = "guarded";
const INTERNAL: &str = "internal";
/// Digits of a plan's hash.
const HASH: std::ops::RangeInclusive<usize> = 16..=64;

/// Why nothing is done, for people.
#[derive(Debug)]
pub enum NotDone {
    /// It is not theirs to do.
    Refused(String),
    /// The server or the incident is not known, or not any more.
    Unknown(String),
    /// Others have to agree first.
    Guarded(String),
    /// There is no job for it, because of what the order asks for or because another one goes on: status,
    /// stable code, and why.
    NotOrdered {
        status: StatusCode,
        code: String,
        why: String,
    },
    /// A fault of ours, or of what this depends on.
    Failed(BotError),
}

impl NotDone {
    fn of(error: BotError, language: Language) -> Self {
        match error {
            BotError::Guarded(text) => Self::Guarded(text),
            BotError::Input(text) => Self::Unknown(text),
            error if error.is_ours() => Self::Failed(error),
            error => Self::Refused(error.user_text(language)),
        }
    }

    fn of_order(error: NotOrdered, language: Language) -> Self {
        let error = match error {
            NotOrdered::Busy(_) => {
                return Self::NotOrdered {
                    status: StatusCode::CONFLICT,
                    code: SLOT_TAKEN.to_owned(),
                    why: text!(language, "putback-busy"),
                };
            }
            NotOrdered::Failed(error) => error,
        };
        let why = error.user_text(language);
        match error {
            BotError::Jobserver(ClientError::Status { status, body, .. })
                if status.is_client_error() && status != StatusCode::UNAUTHORIZED =>
            {
                if body.code == GUARDED {
                    return Self::Guarded(why);
                }
                let code = body.code;
                Self::NotOrdered { status, code, why }
            }
            BotError::Jobserver(error) => {
                let (status, code) = match error.is_unreachable() {
                    true => (StatusCode::SERVICE_UNAVAILABLE, "unavailable"),
                    false => (StatusCode::BAD_GATEWAY, "bad_gateway"),
                };
                let code = code.to_owned();
                Self::NotOrdered { status, code, why }
            }
            error => Self::of(error, language),
        }
    }
}

/// What came of an act.
#[derive(Debug, PartialEq, Eq)]
pub struct Done {
    /// For people.
    pub said: String,
    /// That carries it out, where a job does.
    pub job: Option<TaskId>,
}

/// One of [`ACTS`] about an incident.
#[derive(Debug, Clone, Copy)]
pub struct IncidentAct<'a> {
    pub verb: &'a str,
    pub incident: u64,
    /// Of a put-back of `parts`, and of the plan that is approved.
    pub parts: &'a [String],
    /// Of the plan that was shown.
    pub plan_hash: Option<&'a str>,
    /// The put-back that is taken back.
    pub job: Option<TaskId>,
}

impl IncidentAct<'_> {
    /// As a button has it. `None`: something that belongs to it is missing.
    fn verb(&self) -> Option<String> {
        let is_hash = |hash: &&str| {
            HASH.contains(&hash.len()) && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let hash = self.plan_hash.filter(is_hash);
        if hash.is_none() && self.plan_hash.is_some() {
            return None;
        }
        Some(match (self.verb, hash, self.job) {
            ("approve", Some(hash), _) => {
                let parts = Parts::of(self.parts.iter().map(String::as_str));
                format!("now-{hash}-{}", parts.hex())
            }
            ("take_back", None, Some(job)) => format!("unback-{job}"),
            ("take_back", Some(hash), Some(job)) => format!("gone-{hash}-{job}"),
            ("approve" | "take_back", ..) => return None,
            (verb, ..) => verb.to_owned(),
        })
    }
}

impl Protection {
    /// Has an act of [`ACTS`] done in somebody's name, or begun by a job; what is said about it. They are
    /// a member. A caller that does not wait for the answer has it done all the same.
    ///
    /// # Errors
    /// See [`NotDone`].
    pub async fn act(
        self: &Arc<Self>,
        app: &App,
        asked: &configuration::Asked,
        view: &GuildView,
        act: IncidentAct<'_>,
    ) -> Result<Done, NotDone> {
        let language = Language::English;
        let Some(server) = self.load(view).await else {
            let unknown = text!(language, "protection-unknown-server");
            return Err(NotDone::Unknown(unknown));
        };
        let verb = act.verb().ok_or_else(|| {
            let broken = text!(language, "button-broken");
            NotDone::Refused(broken)
        })?;
        let wanted = Asked {
            language,
            user: Id::new(asked.user.get()),
            is_administrator: asked.standing.native.is_administrator(),
            verb: &verb,
            incident: Id::new(act.incident),
            chosen: act.parts,
        };
        match wish(&server, &wanted)? {
            (Wish::Trust(incident), said) => {
                let asked = configuration::Asked {
                    command: Some(TRUSTS),
                    ..asked.clone()
                };
                self.trust(app, &asked, language, incident)
                    .await
                    .map_err(|error| NotDone::of(error, language))?;
                self.refresh(&server).await;
                Ok(Done { said, job: None })
            }
            (Wish::PutBack(order), said) => {
                let Ok(ordered) = self.ordering(&server, order).await else {
                    // It panicked, which is in the log, or this process ends.
                    return Err(NotDone::NotOrdered {
                        status: StatusCode::INTERNAL_SERVER_ERROR,
                        code: INTERNAL.to_owned(),
                        why: text!(language, "error-service"),
                    });
                };
                let job = ordered.map_err(|error| NotDone::of_order(error, language))?;
                Ok(Done {
                    said,
                    job: Some(job),
                })
            }
            (Wish::Command(command), said) => {
                self.tell(&server, Input::Command(command));
                Ok(Done { said, job: None })
            }
            // Only buttons ask for it.
            (Wish::Details(_), said) => Ok(Done { said, job: None }),
        }
    }

    /// What a panic would take now. `None`: the server is not known yet.
    pub async fn panic_preview(self: &Arc<Self>, view: &GuildView) -> Option<PanicPreview> {
        let server = self.load(view).await?;
        let now = self.now();
        let (is_on, reach) = server.read(|engine, structure| {
            let is_on = engine.panic().is_some();
            (is_on, engine.panic_reach(structure, now))
        });
        let roles = reach.roles.iter().map(|role| PanicRole {
            role_id: role.role.to_string(),
            taken: role.taken.to_string(),
        });
        Some(PanicPreview {
            is_on,
            roles: roles.collect(),
            out_of_reach: reach.beyond.iter().map(ToString::to_string).collect(),
            pauses: reach.pauses,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::buttons::put_back;
    use super::*;

    #[test]
    fn what_programs_ask_for_is_what_buttons_do() {
        let (incident, hash) = (Id::new(5), "abcdef0123456789");
        let task = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let bans = ["bans".to_owned()];
        let order = |verb, plan_hash, job: Option<&str>| {
            let act = IncidentAct {
                verb,
                incident: 5,
                parts: &bans,
                plan_hash,
                job: job.and_then(|job| job.parse().ok()),
            };
            put_back(&act.verb()?, incident, &bans)
        };
        let approved = order("approve", Some(hash), None).unwrap();
        assert_eq!(approved.approved.as_deref(), Some(hash));
        assert_eq!(
            (approved.parts.names(), approved.look),
            (vec!["bans"], false)
        );
        let undone = order("take_back", None, Some(task)).unwrap();
        assert_eq!((undone.undo, undone.approved), (task.parse().ok(), None));
        let undone = order("take_back", Some(hash), Some(task)).unwrap();
        assert_eq!(
            (undone.undo, undone.approved),
            (task.parse().ok(), Some(hash.to_owned()))
        );
        for (verb, hash, job) in [
            ("approve", None, Some(task)),
            ("approve", Some("abc"), None),
            ("approve", Some("abcdef0123456789-82"), None),
            ("take_back", Some(hash), None),
        ] {
            assert_eq!(order(verb, hash, job), None, "{verb}");
        }
    }
}
