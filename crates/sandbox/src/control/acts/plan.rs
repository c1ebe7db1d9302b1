//! From an act to its request.

use http::Method;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use splashtail_sandbox_world::rest::Request;
use splashtail_sandbox_world::world::Id;

use super::table::{Argument, Click, Piece, Sent, brackets, pieces};
use super::upload;
use crate::control::types::Act;
use crate::control::{Failure, id};

/// The request of a template.
pub(super) fn request(
    method: &Method,
    template: &str,
    body: &Sent,
    act: &Act,
) -> Result<Request, Failure> {
    let body = match body {
        Sent::Nothing => Value::Null,
        Sent::Optional(_) if act.body.is_null() => json!({}),
        Sent::Body(_) | Sent::Optional(_) => act.body.clone(),
        Sent::Target(key) => json!({*key: needed(&act.target_id, "target_id")?}),
    };
    upload::request(method.clone(), path(template, act)?, &body, &act.files)
}

/// What a client sends when its user clicks this, for rules of faults to look at: bots have no such
/// request.
pub(super) fn click(click: Click, act: &Act) -> Request {
    let of = |id: &Option<String>| id.clone().unwrap_or_default();
    let (guild, channel) = (of(&act.guild_id), of(&act.channel_id));
    let (message, target) = (of(&act.message_id), of(&act.target_id));
    let code = act.body["code"].as_str().unwrap_or_default();
    let (method, path) = match click {
        Click::Join => (Method::PUT, format!("/guilds/{guild}/members/@me")),
        Click::UseInvite => (Method::POST, format!("/invites/{code}")),
        Click::WithdrawRequest => (Method::DELETE, format!("/guilds/{guild}/requests/@me")),
        Click::AcceptRules => (Method::PUT, format!("/guilds/{guild}/requests/@me")),
        Click::PickRoles => (
            Method::POST,
            format!("/guilds/{guild}/onboarding-responses"),
        ),
        Click::Vote => (
            Method::PUT,
            format!("/channels/{channel}/polls/{message}/answers/@me"),
        ),
        Click::Deauthorise => (Method::DELETE, format!("/oauth2/tokens/{target}")),
        Click::AddBot => (Method::POST, "/oauth2/authorize".to_owned()),
    };
    Request::act(method, path, &Value::Null)
}

/// The request that the body describes.
pub(super) fn any(act: &Act) -> Result<Request, Failure> {
    let method: Method = text(act, "method")?
        .parse()
        .map_err(|_| Failure::bad("`body.method` is no method"))?;
    let address = text(act, "path")?;
    if !address.starts_with('/') {
        return Err(Failure::bad("`body.path` starts with a slash"));
    }
    let (path, query) = address.split_once('?').unwrap_or((&address, ""));
    let mut request = upload::request(method, path.to_owned(), &act.body["body"], &act.files)?;
    request.query = query.to_owned();
    Ok(request)
}

/// An id that the act cannot do without.
pub(super) fn needed(field: &Option<String>, name: &str) -> Result<Id, Failure> {
    match field {
        Some(text) => id(text),
        None => Err(Failure::bad(format!("`{name}` is needed"))),
    }
}

fn text(act: &Act, key: &str) -> Result<String, Failure> {
    match &act.body[key] {
        Value::String(text) => Ok(text.clone()),
        Value::Number(number) => Ok(number.to_string()),
        _ => Err(Failure::bad(format!("`body.{key}` is needed"))),
    }
}

fn path(template: &str, act: &Act) -> Result<String, Failure> {
    let (before, inside, after) = brackets(template);
    let given = |piece: Piece<'_>| match piece {
        Piece::Text(_) => true,
        // One that is there and wrong is not left out.
        Piece::Argument(Argument::Message) => act.message_id.is_some(),
        Piece::Argument(argument) => value(argument, act).is_ok(),
    };
    let inside = if pieces(inside).into_iter().all(given) {
        inside
    } else {
        ""
    };
    let mut path = String::new();
    for part in [before, inside, after] {
        for piece in pieces(part) {
            match piece {
                Piece::Text(text) => path.push_str(text),
                Piece::Argument(argument) => path.push_str(&value(argument, act)?),
            }
        }
    }
    Ok(path)
}

fn value(argument: Argument, act: &Act) -> Result<String, Failure> {
    let id = match argument {
        Argument::Guild => needed(&act.guild_id, "guild_id")?,
        Argument::Channel => needed(&act.channel_id, "channel_id")?,
        Argument::Message => needed(&act.message_id, "message_id")?,
        Argument::Target(_) => needed(&act.target_id, "target_id")?,
        Argument::Role => id(&text(act, "role_id")?)?,
        Argument::Emoji => {
            let emoji = text(act, "emoji")?;
            return Ok(utf8_percent_encode(&emoji, NON_ALPHANUMERIC).to_string());
        }
    };
    Ok(id.to_string())
}

#[cfg(test)]
mod tests {
    use super::super::table::{Way, find};
    use super::*;

    fn planned(name: &str, act: &Act) -> Result<(String, Value), String> {
        let spec = find(name).unwrap();
        let Way::Request(method, template) = &spec.way else {
            panic!("{name} is no request");
        };
        match request(method, template, &spec.body, act) {
            Ok(request) => {
                let body = serde_json::from_slice(&request.body).unwrap_or_default();
                Ok((format!("{} {}", request.method, request.path), body))
            }
            Err(failure) => Err(failure.message),
        }
    }

    #[test]
    fn acts_become_rest_requests() {
        let act = Act {
            guild_id: Some("1".into()),
            target_id: Some("2".into()),
            channel_id: Some("4".into()),
            body: json!({"role_id": "3", "emoji": "👍", "name": "t"}),
            ..Act::default()
        };
        let line = |name| planned(name, &act).unwrap();
        assert_eq!(
            line("give_role"),
            ("PUT /guilds/1/members/2/roles/3".into(), Value::Null)
        );
        assert_eq!(
            line("transfer_owner"),
            ("PATCH /guilds/1".into(), json!({"owner_id": "2"}))
        );
        assert_eq!(line("create_thread").0, "POST /channels/4/threads");
        assert_eq!(planned("pin", &act), Err("`message_id` is needed".into()));
        let on = Act {
            message_id: Some("5".into()),
            ..act.clone()
        };
        let line = |name| planned(name, &on).unwrap().0;
        assert_eq!(line("create_thread"), "POST /channels/4/messages/5/threads");
        let reaction = "DELETE /channels/4/messages/5/reactions/%F0%9F%91%8D/@me";
        assert_eq!(line("unreact"), reaction);
        let bare = Act::default();
        assert!(planned("ban", &bare).is_err());
        let banned = Act {
            body: Value::Null,
            ..act.clone()
        };
        assert_eq!(planned("ban", &banned).unwrap().1, json!({}));
    }
}
