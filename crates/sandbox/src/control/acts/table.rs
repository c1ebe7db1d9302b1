//! Every act with what it needs. Dispatch, the help of the command line and the documentation are
//! made from this table.

use http::Method;

/// Something that people do.
#[derive(Debug)]
pub struct ActSpec {
    pub name: &'static str,
    /// What it is about, for lists.
    pub section: &'static str,
    pub way: Way,
    pub body: Sent,
}

/// How it is done. `{placeholders}` name arguments, see [`Argument`]; what stands in brackets
/// falls away without its argument.
#[derive(Debug)]
pub enum Way {
    /// A request of the REST API.
    Request(Method, &'static str),
    /// A click that is no request of the API for bots, and its arguments.
    Click(Click, &'static str),
    /// Any request: `body` holds `method`, `path` and `body`.
    Any,
}

/// What has no request of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Click {
    Join,
    UseInvite,
    WithdrawRequest,
    AcceptRules,
    PickRoles,
    Deauthorise,
    Vote,
    AddBot,
}

/// What becomes the body of the request.
#[derive(Debug)]
pub enum Sent {
    Nothing,
    /// `body` as it is, such as this.
    Body(&'static str),
    /// `body`, or an empty object.
    Optional(&'static str),
    /// The target under this key.
    Target(&'static str),
}

/// What an act can be told beside its body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Argument {
    Guild,
    Channel,
    Message,
    Target(Target),
    /// `body.role_id`, or of the command line `--role`.
    Role,
    /// `body.emoji`: `👍` or `name:id`.
    Emoji,
}

/// What `target_id` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    User,
    Role,
    RoleOrUser,
    Application,
}

const fn request(
    section: &'static str,
    name: &'static str,
    method: Method,
    path: &'static str,
    body: Sent,
) -> ActSpec {
    let way = Way::Request(method, path);
    ActSpec {
        name,
        section,
        way,
        body,
    }
}

const fn click(
    section: &'static str,
    name: &'static str,
    click: Click,
    arguments: &'static str,
    body: Sent,
) -> ActSpec {
    let way = Way::Click(click, arguments);
    ActSpec {
        name,
        section,
        way,
        body,
    }
}

const PEOPLE: &str = "people";
const MESSAGES: &str = "messages";
const CHANNELS: &str = "channels";
const ROLES: &str = "roles";
const MEMBERS: &str = "members";
const SERVER: &str = "server";

const MESSAGE: &str = "/channels/{channel}/messages/{message}";
const PIN: &str = "/channels/{channel}/messages/pins/{message}";
const REACTION: &str = "/channels/{channel}/messages/{message}/reactions/{emoji}/@me";
const MEMBER: &str = "/guilds/{guild}/members/{user}";
const MEMBER_ROLE: &str = "/guilds/{guild}/members/{user}/roles/{given_role}";
const ROLE: &str = "/guilds/{guild}/roles/{role}";
const BAN: &str = "/guilds/{guild}/bans/{user}";

/// All of them, by section.
#[rustfmt::skip]
pub static ACTS: &[ActSpec] = &[
    click(PEOPLE, "join", Click::Join, "{guild}", Sent::Nothing),
    click(PEOPLE, "use_invite", Click::UseInvite, "", Sent::Body(r#"{"code": "…", "answer": "…"}"#)),
    click(PEOPLE, "withdraw_request", Click::WithdrawRequest, "{guild}", Sent::Nothing),
    click(PEOPLE, "pick_roles", Click::PickRoles, "{guild}", Sent::Body(r#"{"role_ids": [ids]}"#)),
    click(PEOPLE, "deauthorise", Click::Deauthorise, "{app}", Sent::Nothing),
    click(PEOPLE, "accept_rules", Click::AcceptRules, "{guild}", Sent::Nothing),
    request(PEOPLE, "leave", Method::DELETE, "/users/@me/guilds/{guild}", Sent::Nothing),
    request(PEOPLE, "open_dm", Method::POST, "/users/@me/channels", Sent::Target("recipient_id")),
    request(MESSAGES, "say", Method::POST, "/channels/{channel}/messages", Sent::Body(r#"{"content": "…"}"#)),
    request(MESSAGES, "edit_message", Method::PATCH, MESSAGE, Sent::Body(r#"{"content": "…"}"#)),
    request(MESSAGES, "delete_message", Method::DELETE, MESSAGE, Sent::Nothing),
    request(MESSAGES, "bulk_delete", Method::POST, "/channels/{channel}/messages/bulk-delete", Sent::Body(r#"{"messages": [ids]}"#)),
    request(MESSAGES, "pin", Method::PUT, PIN, Sent::Nothing),
    request(MESSAGES, "unpin", Method::DELETE, PIN, Sent::Nothing),
    request(MESSAGES, "react", Method::PUT, REACTION, Sent::Nothing),
    request(MESSAGES, "unreact", Method::DELETE, REACTION, Sent::Nothing),
    click(MESSAGES, "vote", Click::Vote, "{channel}{message}", Sent::Body(r#"{"answer_ids": [1]}"#)),
    request(MESSAGES, "typing", Method::POST, "/channels/{channel}/typing", Sent::Nothing),
    request(CHANNELS, "create_channel", Method::POST, "/guilds/{guild}/channels", Sent::Body(r#"{"name": "…"}"#)),
    request(CHANNELS, "edit_channel", Method::PATCH, "/channels/{channel}", Sent::Body(r#"{"name": "…"}"#)),
    request(CHANNELS, "delete_channel", Method::DELETE, "/channels/{channel}", Sent::Nothing),
    request(CHANNELS, "edit_overwrite", Method::PUT, "/channels/{channel}/permissions/{holder}", Sent::Body(r#"{"type": 0, "allow": "0", "deny": "2048"}"#)),
    request(CHANNELS, "create_thread", Method::POST, "/channels/{channel}[/messages/{message}]/threads", Sent::Body(r#"{"name": "…"}"#)),
    request(ROLES, "create_role", Method::POST, "/guilds/{guild}/roles", Sent::Optional(r#"{"name": "…"}"#)),
    request(ROLES, "edit_role", Method::PATCH, ROLE, Sent::Body(r#"{"name": "…"}"#)),
    request(ROLES, "delete_role", Method::DELETE, ROLE, Sent::Nothing),
    request(ROLES, "give_role", Method::PUT, MEMBER_ROLE, Sent::Nothing),
    request(ROLES, "take_role", Method::DELETE, MEMBER_ROLE, Sent::Nothing),
    request(MEMBERS, "edit_member", Method::PATCH, MEMBER, Sent::Body(r#"{"nick": "…"}"#)),
    request(MEMBERS, "timeout", Method::PATCH, MEMBER, Sent::Body(r#"{"communication_disabled_until": "…"}"#)),
    request(MEMBERS, "kick", Method::DELETE, MEMBER, Sent::Nothing),
    request(MEMBERS, "ban", Method::PUT, BAN, Sent::Optional(r#"{"delete_message_seconds": 3600}"#)),
    request(MEMBERS, "unban", Method::DELETE, BAN, Sent::Nothing),
    request(MEMBERS, "bulk_ban", Method::POST, "/guilds/{guild}/bulk-ban", Sent::Body(r#"{"user_ids": [ids]}"#)),
    request(MEMBERS, "prune", Method::POST, "/guilds/{guild}/prune", Sent::Optional(r#"{"days": 7}"#)),
    request(SERVER, "edit_guild", Method::PATCH, "/guilds/{guild}", Sent::Body(r#"{"name": "…"}"#)),
    request(SERVER, "transfer_owner", Method::PATCH, "/guilds/{guild}", Sent::Target("owner_id")),
    click(SERVER, "add_bot", Click::AddBot, "{guild}{app}", Sent::Optional(r#"{"permissions": "8"}"#)),
    request(SERVER, "remove_bot", Method::DELETE, MEMBER, Sent::Nothing),
    request(SERVER, "create_webhook", Method::POST, "/channels/{channel}/webhooks", Sent::Body(r#"{"name": "…"}"#)),
    request(SERVER, "invite", Method::POST, "/channels/{channel}/invites", Sent::Optional(r#"{"max_age": 3600}"#)),
    ActSpec { name: "request", section: "any", way: Way::Any, body: Sent::Body(r#"{"method": "GET", "path": "/guilds/…", "body": …}"#) },
];

/// The act of this name.
pub fn find(name: &str) -> Option<&'static ActSpec> {
    ACTS.iter().find(|act| act.name == name)
}

impl Argument {
    /// What a placeholder stands for.
    fn of(placeholder: &str) -> Option<Self> {
        Some(match placeholder {
            "guild" => Self::Guild,
            "channel" => Self::Channel,
            "message" => Self::Message,
            "user" => Self::Target(Target::User),
            "role" => Self::Target(Target::Role),
            "holder" => Self::Target(Target::RoleOrUser),
            "app" => Self::Target(Target::Application),
            "given_role" => Self::Role,
            "emoji" => Self::Emoji,
            _ => return None,
        })
    }
}

/// A piece of a template.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    Text(&'t str),
    Argument(Argument),
}

/// The pieces of a template without brackets.
pub(super) fn pieces(template: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    for part in template.split('{') {
        let text = match part.split_once('}') {
            Some((placeholder, text)) => {
                pieces.extend(Argument::of(placeholder).map(Piece::Argument));
                text
            }
            None => part,
        };
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// A template in three: before, in and after its brackets.
pub(super) fn brackets(template: &str) -> (&str, &str, &str) {
    let split = template.split_once('[').and_then(|(before, rest)| {
        let (inside, after) = rest.split_once(']')?;
        Some((before, inside, after))
    });
    split.unwrap_or((template, "", ""))
}

impl ActSpec {
    /// What it is told, in the order of its path, and whether it needs that.
    pub fn arguments(&self) -> Vec<(Argument, bool)> {
        let template = match &self.way {
            Way::Request(_, template) | Way::Click(_, template) => template,
            Way::Any => "",
        };
        let (before, inside, after) = brackets(template);
        let parts = [(before, true), (inside, false), (after, true)];
        let mut arguments = Vec::new();
        for (part, needed) in parts {
            for piece in pieces(part) {
                if let Piece::Argument(argument) = piece {
                    arguments.push((argument, needed));
                }
            }
        }
        if let Sent::Target(_) = self.body {
            arguments.push((Argument::Target(Target::User), true));
        }
        arguments
    }

    /// What `target_id` names, when it means anything.
    pub fn target(&self) -> Option<Target> {
        let arguments = self.arguments().into_iter();
        arguments
            .into_iter()
            .find_map(|(argument, _)| match argument {
                Argument::Target(target) => Some(target),
                _ => None,
            })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_placeholder_is_known_and_every_name_is_there_once() {
        let mut names = BTreeSet::new();
        for act in ACTS {
            assert!(names.insert(act.name), "{} stands there twice", act.name);
            if let Way::Request(_, template) | Way::Click(_, template) = &act.way {
                let written = template.matches('{').count();
                let made = usize::from(matches!(act.body, Sent::Target(_)));
                assert_eq!(act.arguments().len(), written + made, "{}", act.name);
            }
        }
    }

    #[test]
    fn every_request_is_a_route() {
        for act in ACTS {
            let Way::Request(method, template) = &act.way else {
                continue;
            };
            let (before, inside, after) = brackets(template);
            for path in [[before, after].concat(), [before, inside, after].concat()] {
                let filled = pieces(&path).into_iter().map(|piece| match piece {
                    Piece::Text(text) => text,
                    Piece::Argument(_) => "1",
                });
                let path: String = filled.collect();
                let found = splashtail_sandbox_world::rest::find_route(method, &path);
                assert!(found.is_ok(), "{}: {method} {path}", act.name);
            }
        }
    }
}
