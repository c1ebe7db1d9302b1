//! Buttons under an incident. They work as long as the message is there.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use splashtail_antinuke::{Command, Input, Mode, owner};
use splashtail_discord::Lane;
use splashtail_guild::Id;
use subtle::ConstantTimeEq as _;
use tracing::warn;

use super::progress::Parts;
use super::put_back::Order;
use super::server::Server;
use super::service::Protection;

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
    let (command, said) = match command(protection, server, rest, data) {
        Ok((command, said)) => (Some(command), said),
        Err(refusal) => (None, refusal),
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
    match command {
        Some(Press::Command(command)) => protection.tell(server, Input::Command(command)),
        Some(Press::PutBack(order)) => {
            tokio::spawn(Arc::clone(protection).put_back(Arc::clone(server), order));
        }
        None => {}
    }
}

/// What a press asks for.
enum Press {
    /// Of the engine.
    Command(Command),
    /// Of the jobserver.
    PutBack(Order),
}

impl Protection {
    async fn answer(&self, path: String, said: &str) -> anyhow::Result<()> {
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
fn refusal(verb: &str, who: Presser) -> Option<&'static str> {
    let alarm = verb == "panic" && who.is_real;
    let stops = matches!(verb, "panic" | "contain");
    let may =
        who.is_owner || who.is_named || stops && who.is_trusted || alarm && who.is_administrator;
    if may && (who.is_owner || !who.is_suspect) {
        return None;
    }
    Some(match (alarm, stops) {
        (true, _) => "Only the owner, those they trust and administrators can do that.",
        (false, true) => "Only the owner and those they trust can do that.",
        (false, false) => "Only the owner and the people they trust by name can do that.",
    })
}

/// What the press asks for, or why it is refused.
fn command(
    protection: &Protection,
    server: &Server,
    rest: &str,
    data: &Value,
) -> Result<(Press, &'static str), &'static str> {
    const BROKEN: &str = "This button is not from me.";
    let mut parts = rest.split(':');
    let (verb, incident, mac) = (parts.next(), parts.next(), parts.next());
    let (verb, mac) = verb.zip(mac).ok_or(BROKEN)?;
    let incident: Id = incident.and_then(|id| id.parse().ok()).ok_or(BROKEN)?;
    let tags = protection.tags().ok_or(BROKEN)?;
    let wanted = tags.button(Id::new(server.guild.get()), incident, verb);
    if !bool::from(wanted.as_bytes().ct_eq(mac.as_bytes())) {
        return Err(BROKEN);
    }
    let user = Id::of(&data["member"]["user"]).ok_or(BROKEN)?;
    let permissions = data["member"]["permissions"].as_str();
    let permissions: u64 = permissions.and_then(|p| p.parse().ok()).unwrap_or(0);
    let (who, known) = server.read(|engine, structure| {
        let known = engine.incidents().any(|i| i.id == incident);
        let roles = engine.members().get(user).map(|m| m.roles.clone());
        let mut all = engine.incidents();
        let who = Presser {
            is_owner: owner(structure) == Some(user),
            is_named: engine.policy().trusted.users.contains(&user),
            is_trusted: engine.policy().trusts(user, &roles.unwrap_or_default()),
            is_suspect: all.any(|i| i.is_open() && i.suspect(user).is_some()),
            is_administrator: permissions & ADMINISTRATOR != 0,
            is_real: engine.policy().mode == Mode::On,
        };
        (who, known)
    });
    if let Some(refusal) = refusal(verb, who) {
        return Err(refusal);
    }
    if let Some(order) = put_back(verb, incident, data) {
        return Ok((
            Press::PutBack(order),
            "The message of the incident shows how far it is.",
        ));
    }
    if !known {
        return Err("That is too long ago for a button. See `/incidents list`.");
    }
    let (command, said) = match verb {
        "undo" => (Command::Return { incident }, "Given back."),
        "fine" => (
            Command::NotAnAttack { incident },
            "Noted: it was no attack. What was taken is given back.",
        ),
        "contain" => (Command::Contain { incident }, "They are being stopped."),
        "panic" => (
            Command::Panic,
            "Panic: dangerous permissions are going off.",
        ),
        "calm" => (
            Command::EndPanic {
                suspects_too: who.is_owner,
            },
            "The panic is over. Permissions come back.",
        ),
        _ => return Err(BROKEN),
    };
    Ok((Press::Command(command), said))
}

/// The put-back that a press orders: all of it, what is chosen, or the plan that was shown; or the
/// way back from one.
fn put_back(verb: &str, incident: Id, data: &Value) -> Option<Order> {
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
        "parts" => {
            let chosen = data["data"]["values"].as_array().into_iter().flatten();
            Some(Order {
                parts: Parts::of(chosen.filter_map(Value::as_str)),
                look: true,
                ..all
            })
        }
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
        for verb in ["undo", "fine", "calm", "contain", "panic", "back", "parts"] {
            assert!(refusal(verb, dry).is_some(), "{verb}");
            assert_eq!(refusal(verb, real).is_none(), verb == "panic", "{verb}");
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
        for verb in ["undo", "fine", "calm", "contain", "panic", "back", "parts"] {
            assert!(refusal(verb, suspect).is_some(), "{verb}");
            assert!(refusal(verb, owner).is_none(), "{verb}");
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
            "undo", "fine", "calm", "back", "parts", "now-x", "unback-x", "gone-x",
        ] {
            assert!(refusal(verb, by_role).is_some(), "{verb}");
            assert!(refusal(verb, by_name).is_none(), "{verb}");
        }
        for verb in ["contain", "panic"] {
            assert!(refusal(verb, by_role).is_none(), "{verb}");
        }
    }

    #[test]
    fn a_plan_is_approved_with_the_parts_that_it_has() {
        let incident = Id::new(5);
        let now = put_back("now-abcdef0123456789-82", incident, &Value::Null).unwrap();
        assert_eq!(now.approved.as_deref(), Some("abcdef0123456789"));
        assert_eq!(now.parts.names(), ["roles", "bans"]);
        let chosen = json!({"data": {"values": ["bans"]}});
        let chosen = put_back("parts", incident, &chosen).unwrap();
        assert_eq!((chosen.parts.names(), chosen.look), (vec!["bans"], true));
        assert_eq!(
            put_back("back", incident, &Value::Null).unwrap().parts,
            Parts::ALL
        );
        let task = "0f8fad5b-d9cb-469f-a165-70867728950e";
        let undo = put_back(&format!("unback-{task}"), incident, &Value::Null).unwrap();
        assert_eq!((undo.undo, undo.approved), (task.parse().ok(), None));
        let gone = format!("gone-abcdef0123456789-{task}");
        let gone = put_back(&gone, incident, &Value::Null).unwrap();
        assert_eq!(gone.undo, undo.undo);
        assert_eq!(gone.approved.as_deref(), Some("abcdef0123456789"));
        for other in ["undo", "now-abc", "now-abc-0", "unback-5"] {
            assert_eq!(put_back(other, incident, &Value::Null), None, "{other}");
        }
    }
}
