//! Buttons under an incident. They work as long as the message is there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_antinuke::{Command, Input, Mode, owner};
use splashtail_discord::Lane;
use splashtail_guild::Id;
use subtle::ConstantTimeEq as _;
use tracing::warn;

use super::server::Server;
use super::service::Protection;
use crate::catalogue::Language;
use crate::text;

const MESSAGE_COMPONENT: u64 = 3;
const ADMINISTRATOR: u64 = 1 << 3;
const EPHEMERAL: u64 = 1 << 6;
/// Discord drops an interaction that is not answered in time (Discord documentation, "Receiving and
/// Responding").
const ANSWERABLE: Duration = Duration::from_secs(3);

/// Does what a press of one of our buttons asks for, and answers it; other interactions are nobody's
/// here. Whoever calls does not wait for Discord.
pub(super) fn pressed(protection: &Arc<Protection>, server: &Arc<Server>, data: &Value) {
    let id = data["data"]["custom_id"].as_str().unwrap_or_default();
    let ours = data["type"].as_u64() == Some(MESSAGE_COMPONENT);
    let Some(rest) = id.strip_prefix("an:").filter(|_| ours) else {
        return;
    };
    let language = data["locale"].as_str().and_then(Language::of);
    let (language, asked) = (
        language.unwrap_or_default(),
        command(protection, server, rest, data),
    );
    let (command, said) = match asked {
        Ok(command) => (Some(command), done(language, command)),
        Err(refusal) => (None, refused(language, refusal)),
    };
    if let (Some(interaction), Some(token)) = (Id::of(data), data["token"].as_str()) {
        let path = format!("/interactions/{interaction}/{token}/callback");
        let (protection, guild) = (Arc::clone(protection), server.guild);
        tokio::spawn(async move {
            if let Err(error) = protection.answer(path, said).await {
                warn!(guild.id = %guild, error = %format!("{error:#}"), "a button was not answered");
            }
        });
    }
    if let Some(command) = command {
        protection.tell(server, Input::Command(command));
    }
}

impl Protection {
    async fn answer(&self, path: String, said: String) -> anyhow::Result<()> {
        let answer = json!({"type": 4, "data": {"content": said, "flags": EPHEMERAL}});
        let post = self.discord.post(path).lane(Lane::Interactive);
        // Discord takes no answer later.
        let post = post.longest_wait(ANSWERABLE).json(&answer);
        post.send_empty().await?;
        Ok(())
    }
}

/// Who pressed a button.
#[derive(Debug, Clone, Copy, Default)]
struct Presser {
    is_owner: bool,
    is_trusted: bool,
    is_suspect: bool,
    is_administrator: bool,
    /// Protection is on here, not a dry run.
    is_real: bool,
}

/// Why a press does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Broken,
    /// For the owner, those they trust and administrators.
    NotAlarming,
    /// For the owner and those they trust.
    NotTrusted,
    TooOld,
}

/// Why it is not theirs to press. Giving power back is for those whom the attack cannot have in its
/// hands; taking it where nothing is to be done too. Where protection is on, any administrator can
/// call for panic, which takes from all alike.
fn refusal(verb: &str, who: Presser) -> Option<Refusal> {
    let alarm = verb == "panic" && who.is_real;
    let may = who.is_owner || who.is_trusted || alarm && who.is_administrator;
    if may && (who.is_owner || !who.is_suspect) {
        return None;
    }
    Some(match alarm {
        true => Refusal::NotAlarming,
        false => Refusal::NotTrusted,
    })
}

fn refused(language: Language, refusal: Refusal) -> String {
    match refusal {
        Refusal::Broken => text!(language, "button-broken"),
        Refusal::NotAlarming => text!(language, "button-owner-trusted-administrators"),
        Refusal::NotTrusted => text!(language, "button-owner-trusted"),
        Refusal::TooOld => text!(language, "button-too-old"),
    }
}

fn done(language: Language, command: Command) -> String {
    match command {
        Command::Return { .. } => text!(language, "button-did-undo"),
        Command::NotAnAttack { .. } => text!(language, "button-did-fine"),
        Command::Contain { .. } => text!(language, "button-did-contain"),
        Command::Panic | Command::ConfirmPanic => text!(language, "button-did-panic"),
        Command::EndPanic { .. } => text!(language, "button-did-calm"),
    }
}

/// What the press asks for, or why it is refused.
fn command(
    protection: &Protection,
    server: &Server,
    rest: &str,
    data: &Value,
) -> Result<Command, Refusal> {
    let mut parts = rest.split(':');
    let (verb, incident, mac) = (parts.next(), parts.next(), parts.next());
    let (verb, mac) = verb.zip(mac).ok_or(Refusal::Broken)?;
    let incident: Id = incident
        .and_then(|id| id.parse().ok())
        .ok_or(Refusal::Broken)?;
    let tags = protection.tags().ok_or(Refusal::Broken)?;
    let wanted = tags.button(Id::new(server.guild.get()), incident, verb);
    if !bool::from(wanted.as_bytes().ct_eq(mac.as_bytes())) {
        return Err(Refusal::Broken);
    }
    let user = Id::of(&data["member"]["user"]).ok_or(Refusal::Broken)?;
    let permissions = data["member"]["permissions"].as_str();
    let permissions: u64 = permissions.and_then(|p| p.parse().ok()).unwrap_or(0);
    let (who, known) = server.read(|engine, structure| {
        let known = engine.incidents().any(|i| i.id == incident);
        let roles = engine.members().get(user).map(|m| m.roles.clone());
        let mut all = engine.incidents();
        let who = Presser {
            is_owner: owner(structure) == Some(user),
            is_trusted: engine.policy().trusts(user, &roles.unwrap_or_default()),
            is_suspect: all.any(|i| i.is_open() && i.suspect(user).is_some()),
            is_administrator: permissions & ADMINISTRATOR != 0,
            is_real: engine.policy().mode == Mode::On,
        };
        (who, known)
    });
    if !known {
        return Err(Refusal::TooOld);
    }
    if let Some(refusal) = refusal(verb, who) {
        return Err(refusal);
    }
    match verb {
        "undo" => Ok(Command::Return { incident }),
        "fine" => Ok(Command::NotAnAttack { incident }),
        "contain" => Ok(Command::Contain { incident }),
        "panic" => Ok(Command::Panic),
        "calm" => Ok(Command::EndPanic {
            suspects_too: who.is_owner,
        }),
        _ => Err(Refusal::Broken),
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
        for verb in ["undo", "fine", "calm", "contain", "panic"] {
            assert!(refusal(verb, dry).is_some(), "{verb}");
            assert_eq!(refusal(verb, real).is_none(), verb == "panic", "{verb}");
        }
    }

    #[test]
    fn a_suspect_presses_nothing_unless_they_own_the_server() {
        let suspect = Presser {
            is_suspect: true,
            is_trusted: true,
            is_administrator: true,
            is_real: true,
            ..Presser::default()
        };
        let owner = Presser {
            is_owner: true,
            ..suspect
        };
        for verb in ["undo", "fine", "calm", "contain", "panic"] {
            assert!(refusal(verb, suspect).is_some(), "{verb}");
            assert!(refusal(verb, owner).is_none(), "{verb}");
        }
    }
}
