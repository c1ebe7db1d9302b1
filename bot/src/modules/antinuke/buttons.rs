//! What people have done about an incident by the buttons under it.

use std::sync::Arc;
use std::time::Duration;

use splashtail_antinuke::{Command, Input, Mode, owner};
use splashtail_core::ids::TaskId;
use splashtail_guild::Id;
use subtle::ConstantTimeEq as _;
use tokio::task::JoinHandle;

use super::incidents;
use super::programs::{NotDone, TRUSTS};
use super::progress::Parts;
use super::put_back::{NotOrdered, Order};
use super::server::Server;
use super::service::Protection;
use super::settings::TRUST;
use crate::app::App;
use crate::catalogue::Language;
use crate::configuration;
use crate::error::BotError;
use crate::framework::setting_commands::asked_by;
use crate::guilds::GuildView;
use crate::presses::{Press, Presses, Reaction};
use crate::settings::Fields;
use crate::text;

/// `an:<verb>:<incident>:<mac>`
pub(super) const PREFIX: &str = "an";
/// Whoever pressed is told at once when nothing is ordered for them; longer they do not wait.
const ORDERING: Duration = Duration::from_secs(2);

pub(super) fn presses(protection: &Arc<Protection>) -> Presses {
    let protection = Arc::clone(protection);
    Presses::new(PREFIX, move |app, press| {
        let Ok(guild) = press.guild() else {
            return Reaction::stale(press);
        };
        let Some(view) = app.state.guilds.get(guild) else {
            return Reaction::Refuse(text!(press.language, "protection-unknown-server"));
        };
        let protects = verb(press).is_some_and(|verb| PROTECTS.contains(&verb));
        let (protection, press) = (Arc::clone(&protection), Arc::clone(press));
        let app = Arc::clone(app);
        let done = Reaction::say(async move { protection.pressed(&app, &press, &view).await });
        match protects {
            true => done.at_once(),
            false => done,
        }
    })
    .with_emergencies(|press| verb(press).is_some_and(|verb| OF_ENGINE.contains(&verb)))
}

/// What the engine does by itself: that goes on during maintenance.
const OF_ENGINE: [&str; 6] = ["undo", "fine", "contain", "panic", "quiet", "calm"];
/// Of that, what loses nothing when it is done although Discord said that the press failed.
const PROTECTS: [&str; 4] = ["undo", "contain", "panic", "quiet"];

fn verb(press: &Press) -> Option<&str> {
    press.parts::<3>().map(|[verb, ..]| verb)
}

/// What a press asks for.
pub(super) enum Wish {
    /// Of the engine.
    Command(Command),
    /// Of the jobserver.
    PutBack(Order),
    /// To read more about an incident.
    Details(Id),
    /// That whoever an incident is about is never stopped again.
    Trust(Id),
}

impl Protection {
    /// Has it done; what is said about it.
    async fn pressed(
        self: &Arc<Self>,
        app: &App,
        press: &Press,
        view: &GuildView,
    ) -> Result<String, BotError> {
        self.see(Id::new(press.id()));
        let language = press.language;
        let Some(server) = self.load(view).await else {
            return Ok(text!(language, "protection-unknown-server"));
        };
        let guild = server.guild;
        match command(self, &server, press) {
            Ok((Wish::Details(incident), _)) => {
                let incident = incidents::known(self, guild, language, incident).await?;
                let lines = incidents::details(self, guild, language, &incident).await;
                Ok(lines.join("\n"))
            }
            Ok((Wish::Trust(incident), said)) => {
                let asked = asked_by(app, press, Some(TRUSTS)).await?;
                self.trust(app, &asked, language, incident).await?;
                self.refresh(&server).await;
                Ok(said)
            }
            Ok((Wish::PutBack(order), said)) => {
                let ordering = self.ordering(&server, order);
                let ordered = tokio::time::timeout(ORDERING, ordering).await;
                // Whatever else becomes of it shows in the incident's message.
                match ordered {
                    Ok(Ok(Err(NotOrdered::Busy(_)))) => Ok(text!(language, "putback-busy")),
                    _ => Ok(said),
                }
            }
            Ok((Wish::Command(command), said)) => {
                self.tell(&server, Input::Command(command));
                Ok(said)
            }
            Err(
                NotDone::Refused(why)
                | NotDone::Unknown(why)
                | NotDone::Guarded(why)
                | NotDone::NotOrdered { why, .. },
            ) => Ok(why),
            Err(NotDone::Failed(error)) => Err(error),
        }
    }

    /// As the command does it, with all its checks.
    pub(super) async fn trust(
        &self,
        app: &App,
        asked: &configuration::Asked,
        language: Language,
        incident: Id,
    ) -> Result<(), BotError> {
        let incident = incidents::known(self, asked.guild, language, incident).await?;
        let [suspect] = &incident.suspects[..] else {
            return Err(BotError::Input(text!(language, "button-broken")));
        };
        let who = Fields::from_iter([("who".to_owned(), format!("user/{}", suspect.id).into())]);
        app.configuration.set(asked, TRUST, &who).await?;
        Ok(())
    }

    /// A put-back that is being ordered, whether or not somebody waits for that.
    pub(super) fn ordering(
        self: &Arc<Self>,
        server: &Arc<Server>,
        order: Order,
    ) -> JoinHandle<Result<TaskId, NotOrdered>> {
        tokio::spawn(Arc::clone(self).put_back(Arc::clone(server), order))
    }
}

/// Who wants what done.
pub(super) struct Asked<'a> {
    pub(super) language: Language,
    pub(super) user: Id,
    pub(super) is_administrator: bool,
    pub(super) verb: &'a str,
    pub(super) incident: Id,
    pub(super) chosen: &'a [String],
}

/// Who pressed a button.
#[derive(Debug, Clone, Copy, Default)]
struct Presser {
    is_owner: bool,
    /// By name: whoever manages roles could give themselves one.
    is_named: bool,
    /// By name or by a role.
    is_trusted: bool,
    is_suspect: bool,
    is_administrator: bool,
    /// Protection is on here, not a dry run.
    is_real: bool,
}

/// Why it is not theirs to press. Giving power back is for those whom the attack cannot have in its
/// hands; taking it where nothing is to be done too. Where protection is on, any administrator can
/// call for panic, which takes from all alike.
fn refusal(language: Language, verb: &str, who: Presser) -> Option<String> {
    let alarm = verb == "panic" && who.is_real;
    let stops = matches!(verb, "panic" | "quiet" | "contain");
    let reads = verb == "details" && (who.is_trusted || who.is_administrator);
    let may = who.is_owner
        || who.is_named
        || reads
        || stops && who.is_trusted
        || alarm && who.is_administrator;
    if may && (who.is_owner || !who.is_suspect) {
        return None;
    }
    Some(match (alarm, stops) {
        (true, _) => text!(language, "button-alarm"),
        (false, true) => text!(language, "button-trusted"),
        (false, false) => text!(language, "button-owner"),
    })
}

/// A panic is of the whole server: it is raised and ended whatever became of the incident.
fn is_of_server(verb: &str) -> bool {
    matches!(verb, "panic" | "quiet" | "calm")
}

/// What the press asks for, or why it is refused.
fn command(
    protection: &Protection,
    server: &Server,
    press: &Press,
) -> Result<(Wish, String), NotDone> {
    let language = press.language;
    let broken = || NotDone::Refused(text!(language, "button-broken"));
    let [verb, incident, mac] = press.parts().ok_or_else(broken)?;
    let incident: Id = incident.parse().map_err(|_| broken())?;
    let tags = protection.tags().ok_or_else(broken)?;
    let wanted = tags.button(Id::new(server.guild.get()), incident, verb);
    if !bool::from(wanted.as_bytes().ct_eq(mac.as_bytes())) {
        return Err(broken());
    }
    let asked = Asked {
        language,
        user: Id::new(press.user.get()),
        is_administrator: press.permissions.is_administrator(),
        verb,
        incident,
        chosen: &press.values,
    };
    wish(server, &asked)
}

pub(super) fn wish(server: &Server, asked: &Asked<'_>) -> Result<(Wish, String), NotDone> {
    let Asked {
        language,
        user,
        is_administrator,
        verb,
        incident,
        chosen,
    } = *asked;
    let (who, known) = server.read(|engine, structure| {
        let known = engine.incidents().any(|i| i.id == incident);
        let roles = engine.members().get(user).map(|m| m.roles.clone());
        let mut all = engine.incidents();
        let who = Presser {
            is_owner: owner(structure) == Some(user),
            is_named: engine.policy().trusted.users.contains(&user),
            is_trusted: engine.policy().trusts(user, &roles.unwrap_or_default()),
            is_suspect: all.any(|i| i.is_open() && i.suspect(user).is_some()),
            is_administrator,
            is_real: engine.policy().mode == Mode::On,
        };
        (who, known)
    });
    if let Some(refusal) = refusal(language, verb, who) {
        return Err(NotDone::Refused(refusal));
    }
    if let Some(order) = put_back(verb, incident, chosen) {
        return Ok((Wish::PutBack(order), text!(language, "pressed-put-back")));
    }
    match verb {
        "details" => return Ok((Wish::Details(incident), String::new())),
        "trust" => return Ok((Wish::Trust(incident), text!(language, "pressed-trust"))),
        _ => {}
    }
    if !known && !is_of_server(verb) {
        let why = text!(language, "button-too-long-ago");
        return Err(NotDone::Unknown(why));
    }
    let (command, said) = match verb {
        "undo" => (
            Command::Return { incident },
            text!(language, "pressed-undo"),
        ),
        "fine" => {
            let said = text!(language, "pressed-fine");
            (Command::NotAnAttack { incident }, said)
        }
        "contain" => {
            let said = text!(language, "pressed-contain");
            (Command::Contain { incident }, said)
        }
        "panic" => (Command::Panic, text!(language, "pressed-panic")),
        "quiet" => (Command::Quiet, text!(language, "pressed-quiet")),
        "calm" => {
            let suspects_too = who.is_owner;
            let said = text!(language, "pressed-calm");
            (Command::EndPanic { suspects_too }, said)
        }
        _ => return Err(NotDone::Refused(text!(language, "button-broken"))),
    };
    Ok((Wish::Command(command), said))
}

/// The put-back that a press orders: all of it, what is chosen, or the plan that was shown; or the
/// way back from one.
pub(super) fn put_back(verb: &str, incident: Id, chosen: &[String]) -> Option<Order> {
    let all = Order {
        incident,
        parts: Parts::ALL,
        look: false,
        approved: None,
        undo: None,
    };
    let (what, rest) = verb.split_once('-').unwrap_or((verb, ""));
    match what {
        "back" => Some(all),
        "parts" => Some(Order {
            parts: Parts::of(chosen.iter().map(String::as_str)),
            look: true,
            ..all
        }),
        "now" => {
            let (hash, parts) = rest.split_once('-')?;
            Some(Order {
                parts: Parts::from_hex(parts)?,
                approved: Some(hash.to_owned()),
                ..all
            })
        }
        "unback" => Some(Order {
            undo: Some(rest.parse().ok()?),
            ..all
        }),
        "gone" => {
            let (hash, task) = rest.split_once('-')?;
            Some(Order {
                approved: Some(hash.to_owned()),
                undo: Some(task.parse().ok()?),
                ..all
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_administrator_can_do_no_more_than_raise_the_alarm_where_protection_is_on() {
        let dry = Presser {
            is_administrator: true,
            ..Presser::default()
        };
        let real = Presser {
            is_real: true,
            ..dry
        };
        for verb in [
            "undo", "fine", "calm", "contain", "panic", "quiet", "back", "parts",
        ] {
            assert!(refusal(Language::English, verb, dry).is_some(), "{verb}");
            assert_eq!(
                refusal(Language::English, verb, real).is_none(),
                verb == "panic",
                "{verb}"
            );
        }
    }

    #[test]
    fn a_suspect_presses_nothing_unless_they_own_the_server() {
        let suspect = Presser {
            is_suspect: true,
            is_named: true,
            is_trusted: true,
            is_administrator: true,
            is_real: true,
            ..Presser::default()
        };
        let owner = Presser {
            is_owner: true,
            ..suspect
        };
        for verb in [
            "undo", "fine", "calm", "contain", "panic", "quiet", "back", "parts",
        ] {
            assert!(
                refusal(Language::English, verb, suspect).is_some(),
                "{verb}"
            );
            assert!(refusal(Language::English, verb, owner).is_none(), "{verb}");
        }
    }

    #[test]
    fn a_trusted_role_gives_no_power_back() {
        let by_role = Presser {
            is_trusted: true,
            ..Presser::default()
        };
        let by_name = Presser {
            is_named: true,
            ..by_role
        };
        for verb in [
            "undo", "fine", "calm", "back", "parts", "now-x", "unback-x", "gone-x", "trust",
        ] {
            assert!(
                refusal(Language::English, verb, by_role).is_some(),
                "{verb}"
            );
            assert!(
                refusal(Language::English, verb, by_name).is_none(),
                "{verb}"
            );
        }
        for verb in ["contain", "panic", "quiet"] {
            assert!(
                refusal(Language::English, verb, by_role).is_none(),
                "{verb}"
            );
        }
    }

    #[test]
    fn whoever_sees_to_the_server_reads_the_details_but_for_suspects() {
        let refused = |who| refusal(Language::English, "details", who).is_some();
        let administrator = Presser {
            is_administrator: true,
            ..Presser::default()
        };
        let trusted = Presser {
            is_trusted: true,
            ..Presser::default()
        };
        let suspect = Presser {
            is_suspect: true,
            ..administrator
        };
        assert!(!refused(administrator) && !refused(trusted));
        assert!(refused(suspect) && refused(Presser::default()));
    }

    #[test]
    fn a_plan_is_approved_with_the_parts_that_it_has() {
        let incident = Id::new(5);
        let now = put_back("now-abcdef0123456789-82", incident, &[]).unwrap();
        assert_eq!(now.approved.as_deref(), Some("abcdef0123456789"));
        assert_eq!(now.parts.names(), ["roles", "bans"]);
        let chosen = put_back("parts", incident, &["bans".to_owned()]).unwrap();
        assert_eq!((chosen.parts.names(), chosen.look), (vec!["bans"], true));
        assert_eq!(put_back("back", incident, &[]).unwrap().parts, Parts::ALL);
        let task = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let undo = put_back(&format!("unback-{task}"), incident, &[]).unwrap();
        assert_eq!((undo.undo, undo.approved), (task.parse().ok(), None));
        let gone = format!("gone-abcdef0123456789-{task}");
        let gone = put_back(&gone, incident, &[]).unwrap();
        assert_eq!(gone.undo, undo.undo);
        assert_eq!(gone.approved.as_deref(), Some("abcdef0123456789"));
        for other in ["undo", "now-abc", "now-abc-0", "unback-5"] {
            assert_eq!(put_back(other, incident, &[]), None, "{other}");
        }
    }
}
