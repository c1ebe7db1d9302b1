//! From an act to requests, and from their answers to damage.

use http::{HeaderValue, Method, header};
use serde_json::{Value, json};
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::rest::people;
use splashtail_sandbox_world::rest::{Actor, Request, Response};
use splashtail_sandbox_world::world::Id;

use super::cast::{Hook, Stage};
use super::script::{Act, Step};
use super::spoils::{Post, Spoils};
use super::tally::Outcome;
use super::types::Damage;

/// How the attackers explain themselves to the audit log.
const REASON: &str = "drill";
const AGENT: HeaderValue = HeaderValue::from_static("DiscordBot (https://drill.example, 1)");

/// Who a request comes from.
enum Hand<'a> {
    Person(Id),
    Token(&'a str),
    /// A webhook's address is all one needs.
    Nobody,
}

struct Call<'a> {
    sandbox: &'a Sandbox,
    hand: Hand<'a>,
}

impl Call<'_> {
    fn send(
        &self,
        method: Method,
        path: String,
        query: &str,
        body: Value,
    ) -> Result<Value, Outcome> {
        let mut request = Request::act(method, path, &body);
        request.query = query.to_owned();
        let actor = match self.hand {
            Hand::Person(user) => Actor::User(user),
            Hand::Token(_) | Hand::Nobody => Actor::Http,
        };
        if actor == Actor::Http {
            request.headers.insert(header::USER_AGENT, AGENT);
        }
        if let Hand::Token(token) = self.hand
            && let Ok(value) = format!("Bot {token}").parse()
        {
            request.headers.insert(header::AUTHORIZATION, value);
        }
        if !matches!(self.hand, Hand::Nobody) {
            request = request.with_reason(REASON);
        }
        let answer = self.sandbox.dispatch(actor, request);
        if answer.is_success() {
            Ok(answer.json())
        } else {
            Err(Outcome::Refused(code(&answer)))
        }
    }

    fn post(&self, path: String, body: Value) -> Result<Value, Outcome> {
        self.send(Method::POST, path, "", body)
    }

    fn delete(&self, path: String) -> Result<Value, Outcome> {
        self.send(Method::DELETE, path, "", Value::Null)
    }
}

/// The JSON error code, or the status where there is none.
fn code(answer: &Response) -> String {
    match answer.code {
        Some(code) if code != 0 => code.to_string(),
        _ => answer.status.to_string(),
    }
}

fn id(body: &Value) -> Option<Id> {
    body["id"].as_str()?.parse().ok()
}

/// Carries an act out and notes what it brought.
pub(super) fn perform(
    sandbox: &Sandbox,
    stage: &mut Stage,
    spoils: &mut Spoils,
    step: &Step,
) -> Outcome {
    match attempt(sandbox, stage, spoils, step) {
        Ok(damage) => Outcome::Done(damage),
        Err(refused) => {
            if refused == Outcome::Refused("429".to_owned()) {
                put_back(stage, &step.act);
            }
            refused
        }
    }
}

/// Whoever is told to wait tries that target again later.
fn put_back(stage: &mut Stage, act: &Act) {
    match act {
        Act::DeleteChannel { id, name } => stage.channels.push_back((*id, name.clone())),
        Act::DeleteRole { id, name } => stage.roles.push_back((*id, name.clone())),
        Act::Ban(user) | Act::Kick(user) => stage.members.push_back(*user),
        Act::BulkBan(users) => stage.members.extend(users),
        Act::DirectMessage { user } => stage.people.push_back(*user),
        _ => {}
    }
}

fn attempt(
    sandbox: &Sandbox,
    stage: &mut Stage,
    spoils: &mut Spoils,
    Step { actor, act }: &Step,
) -> Result<Option<(Damage, u64)>, Outcome> {
    let guild = stage.guild;
    let me = stage.attackers[*actor];
    let token = stage.token.clone();
    let hand = match (&token, act) {
        (_, Act::WebhookPost(_)) => Hand::Nobody,
        (Some(token), _) => Hand::Token(token),
        (None, _) => Hand::Person(me),
    };
    let call = Call { sandbox, hand };
    let one = |damage| Ok(Some((damage, 1)));
    match act {
        Act::Join => {
            let joined = sandbox.with_world(|world| people::join(world, me, guild));
            joined.map_err(|error| Outcome::Refused(error.code.to_string()))?;
            spoils.joined.insert(me);
            spoils.arrived.push(me);
            one(Damage::MembersJoined)
        }
        Act::Post { channel, text } => {
            let path = format!("/channels/{channel}/messages");
            let message = call.post(path, json!({"content": text}))?;
            let damage = Damage::MessagesPosted;
            let channel = *channel;
            spoils.posts.extend(id(&message).map(|id| Post {
                channel,
                id,
                damage,
            }));
            one(damage)
        }
        Act::DirectMessage { user } => {
            let opened = call.post(
                "/users/@me/channels".to_owned(),
                json!({"recipient_id": user}),
            )?;
            let channel = id(&opened).unwrap_or_default();
            let text = "You won a gift: https://gifts.example/claim";
            call.post(
                format!("/channels/{channel}/messages"),
                json!({"content": text}),
            )?;
            one(Damage::DirectMessages)
        }
        Act::CreateChannel { name } => {
            let path = format!("/guilds/{guild}/channels");
            let channel = id(&call.post(path, json!({"name": name, "type": 0}))?);
            stage.junk.extend(channel);
            spoils.channels_created.extend(channel);
            one(Damage::ChannelsCreated)
        }
        Act::DeleteChannel { id, name } => {
            call.delete(format!("/channels/{id}"))?;
            stage.open.retain(|c| c != id);
            spoils.channels_deleted.insert(*id, name.clone());
            one(Damage::ChannelsDeleted)
        }
        Act::DeleteRole { id, name } => {
            call.delete(format!("/guilds/{guild}/roles/{id}"))?;
            spoils.roles_deleted.insert(*id, name.clone());
            one(Damage::RolesDeleted)
        }
        Act::Ban(user) => {
            let path = format!("/guilds/{guild}/bans/{user}");
            call.send(Method::PUT, path, "", json!({}))?;
            spoils.banned.insert(*user);
            one(Damage::MembersBanned)
        }
        Act::Kick(user) => {
            call.delete(format!("/guilds/{guild}/members/{user}"))?;
            spoils.kicked.insert(*user);
            one(Damage::MembersKicked)
        }
        Act::BulkBan(users) => {
            let answer = call.post(
                format!("/guilds/{guild}/bulk-ban"),
                json!({"user_ids": users}),
            )?;
            let banned = answer["banned_users"].as_array().into_iter().flatten();
            let banned: Vec<Id> = banned.filter_map(|u| u.as_str()?.parse().ok()).collect();
            spoils.banned.extend(&banned);
            Ok(Some((Damage::MembersBanned, banned.len() as u64)))
        }
        Act::Prune => {
            let terms = json!({"days": 1, "compute_prune_count": true});
            let answer = call.post(format!("/guilds/{guild}/prune"), terms)?;
            let pruned = answer["pruned"].as_u64().filter(|n| *n > 0);
            Ok(pruned.map(|n| (Damage::MembersPruned, n)))
        }
        Act::CreateWebhook { channel } => {
            let path = format!("/channels/{channel}/webhooks");
            let made = call.post(path, json!({"name": "Announcements"}));
            let made = made.inspect_err(|_| stage.junk.retain(|c| c != channel))?;
            if let (Some(id), Some(token)) = (id(&made), made["token"].as_str()) {
                spoils.hooks.insert(id);
                let (channel, token) = (*channel, token.to_owned());
                stage.hooks.push(Hook { id, channel, token });
            }
            one(Damage::WebhooksCreated)
        }
        Act::WebhookPost(hook) => {
            let path = format!("/webhooks/{}/{}", hook.id, hook.token);
            let body = json!({"content": "@everyone https://raid.example/nuked"});
            let message = call.send(Method::POST, path, "wait=true", body)?;
            let damage = Damage::WebhookMessages;
            let channel = hook.channel;
            spoils.posts.extend(id(&message).map(|id| Post {
                channel,
                id,
                damage,
            }));
            one(damage)
        }
    }
}
