//! From an act to requests, and from their answers to damage.

use serde_json::{Value, json};
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::rest::people;
use splashtail_sandbox_world::world::permissions as perm;
use splashtail_sandbox_world::world::{Guild, Id, World};

use super::act::{Act, Step, Who};
use super::cast::{Hook, Stage};
use super::requests::{Call, Hand, id};
use super::spoils::{Post, Spoils};
use super::tally::{Outcome, Refusal};
use super::traces::Trace;
use super::types::Damage;
use crate::server::struck::Struck;

/// What came of an attempt.
#[derive(Debug)]
pub(super) enum Attempt {
    Made(Performed),
    /// Its first request is on its way, and befallen by this when it arrives.
    Sent(Struck),
}

/// How an act went.
#[derive(Debug)]
pub(super) struct Performed {
    pub outcome: Outcome,
    /// Its actor was told; otherwise a fault kept the answer back.
    pub heard: bool,
    /// Milliseconds until its answer was there.
    pub took_ms: u64,
    /// A fault refused it.
    pub struck: bool,
    /// Damage of one of its requests that is not what it was for, also when it was refused.
    pub beside: Option<Damage>,
}

#[cfg(test)]
impl Performed {
    /// At once, and no fault struck it.
    pub fn told(outcome: Outcome) -> Self {
        Self {
            outcome,
            heard: true,
            took_ms: 0,
            struck: false,
            beside: None,
        }
    }
}

/// Carries an act out and notes what it brought, also when nobody tells the attacker. A slow one is
/// only sent, and carried out by another call with what it was `sent` with.
pub(super) fn perform(
    sandbox: &Sandbox,
    stage: &mut Stage,
    spoils: &mut Spoils,
    step: &Step,
    sent: Option<Struck>,
) -> Attempt {
    let token = stage.token.clone();
    let hand = match (&token, &step.act) {
        (_, Act::WebhookPost(_)) => Hand::Nobody,
        (Some(token), _) => Hand::Token(token),
        (None, _) => Hand::Person(step.who.user(stage).unwrap_or_default()),
    };
    let call = Call::new(sandbox, hand, sent);
    let attempted = attempt(&call, stage, spoils, step);
    if let Some(struck) = call.on_its_way() {
        return Attempt::Sent(struck);
    }
    let outcome = attempted.map_or_else(|refused| refused, Outcome::Done);
    let heard = !call.unheard.get();
    if heard
        && let Outcome::Refused(refusal) = &outcome
        && refusal.passing
    {
        put_back(stage, &step.act);
    }
    Attempt::Made(Performed {
        outcome,
        heard,
        took_ms: call.took_ms.get(),
        struck: call.struck.get(),
        beside: call.beside.get(),
    })
}

/// Whoever is told that it came at a bad moment tries that target again later.
fn put_back(stage: &mut Stage, act: &Act) {
    match act {
        Act::DeleteChannel { id, name } => stage.channels.push_back((*id, name.clone())),
        Act::DeleteRole { id, name } => stage.roles.push_back((*id, name.clone())),
        Act::Ban(user) | Act::Kick(user) => stage.members.push_back(*user),
        Act::BulkBan(users) => stage.members.extend(users),
        Act::DirectMessage { user } => stage.people.push_back(*user),
        Act::RenameChannel(id) => stage.targets.renames.push_back(*id),
        Act::HideChannel { channel, .. } => stage.targets.hides.push_back(*channel),
        Act::EditOverwrite(id) => stage.targets.overwrites.push_back(*id),
        Act::EditRole(id) => stage.targets.role_edits.push_back(*id),
        Act::GrantAdministrator(user) => stage.targets.accomplices.push_back(*user),
        Act::StripRoles(user) => stage.targets.strips.push_back(*user),
        Act::DeleteEmoji { id, name } => stage.targets.emojis.push_back((*id, name.clone())),
        Act::DeleteSticker { id, name } => stage.targets.stickers.push_back((*id, name.clone())),
        Act::DeleteInvite { code, channel } => {
            stage.targets.invites.push_back((code.clone(), *channel));
        }
        Act::DeleteAutomodRule { id, name } => stage.targets.automod.push_back((*id, name.clone())),
        Act::DeleteIntegration { id, bot } => stage.targets.integrations.push_back((*id, *bot)),
        Act::DisarmBot { role } => stage.targets.bot_roles.push_back(*role),
        Act::KickBot(bot) => stage.targets.bot = Some(*bot),
        Act::CreateWebhook { channel } => stage.junk.push_back(*channel),
        Act::Prune => stage.targets.prune = true,
        _ => {}
    }
}

fn attempt(
    call: &Call<'_>,
    stage: &mut Stage,
    spoils: &mut Spoils,
    Step { who, act }: &Step,
) -> Result<Option<(Damage, u64)>, Outcome> {
    let guild = stage.guild;
    let me = who.user(stage).unwrap_or_default();
    let one = |damage| Ok(Some((damage, 1)));
    match act {
        Act::Join | Act::AskToJoin => {
            let way = match who {
                Who::Attacker(_) => &stage.ways.0,
                Who::Guest(_) => &stage.ways.1,
            };
            call.knock(&way.request(guild))?;
            let entered = call
                .sandbox
                .with_world(|world| people::join(world, me, way.door(guild), "I like it here"));
            let entered = entered.map_err(Refusal::from)?;
            let guest = matches!(who, Who::Guest(_));
            // Where members are approved by hand, everybody who comes only asks.
            let request = entered.filter(|answer| answer["application_status"].is_string());
            if let Some(request) = request.as_ref().and_then(id) {
                spoils.asked.insert(me, request);
                if guest {
                    return Ok(None);
                }
                let new = spoils.requests.insert(request);
                return Ok(new.then_some((Damage::RequestsMade, 1)));
            }
            if guest {
                spoils.guests.insert(me);
                return Ok(None);
            }
            spoils.arrived.push(me);
            // Who comes back does no new damage.
            let fresh = spoils.joined.insert(me);
            Ok(fresh.then_some((Damage::MembersJoined, 1)))
        }
        Act::Leave => {
            call.delete(format!("/users/@me/guilds/{guild}"))?;
            Ok(None)
        }
        Act::Post { channel, text } => {
            let path = format!("/channels/{channel}/messages");
            let message = call.post(path, json!({"content": text}))?;
            let damage = Damage::MessagesPosted;
            let channel = *channel;
            if let Who::Guest(_) = who {
                spoils
                    .greetings
                    .extend(id(&message).map(|id| (channel, id)));
                return Ok(None);
            }
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
            spoils.channels_created.extend(channel);
            if call.heard().is_ok() {
                stage.junk.extend(channel);
            }
            one(Damage::ChannelsCreated)
        }
        Act::DeleteChannel { id, name } => {
            call.delete(format!("/channels/{id}"))?;
            stage.open.retain(|c| c != id);
            spoils.channels_deleted.insert(*id, name.clone());
            one(Damage::ChannelsDeleted)
        }
        Act::DeleteRole { id, .. } => {
            let lost = call.sandbox.with_world(|world| {
                let guild = world.guilds.get(&guild)?;
                let role = guild.roles.get(id)?;
                Some(spoils.lost_role(guild, role, &stage.known))
            });
            call.delete(format!("/guilds/{guild}/roles/{id}"))?;
            spoils.roles_deleted.extend(lost.map(|lost| (*id, lost)));
            one(Damage::RolesDeleted)
        }
        Act::Ban(user) => {
            let path = format!("/guilds/{guild}/bans/{user}");
            call.put(path, json!({}))?;
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
            let made = call.post(path, json!({"name": "Announcements"}))?;
            spoils.hooks.extend(id(&made));
            if call.heard().is_ok()
                && let (Some(id), Some(token)) = (id(&made), made["token"].as_str())
            {
                let (channel, token) = (*channel, token.to_owned());
                stage.hooks.push(Hook { id, channel, token });
            }
            one(Damage::WebhooksCreated)
        }
        Act::WebhookPost(hook) => {
            let path = format!("/webhooks/{}/{}", hook.id, hook.token);
            let body = json!({"content": "@everyone https://raid.example/nuked"});
            let message = call.send(http::Method::POST, path, "wait=true", body)?;
            let damage = Damage::WebhookMessages;
            let channel = hook.channel;
            spoils.posts.extend(id(&message).map(|id| Post {
                channel,
                id,
                damage,
            }));
            one(damage)
        }
        _ => {
            let trace = change(call, stage, spoils, act)?;
            let damage = trace.as_ref().map(|trace| (trace.damage(), 1));
            spoils.traces.extend(trace);
            Ok(damage)
        }
    }
}

/// Acts that change something which can be set right again.
fn change(
    call: &Call<'_>,
    stage: &mut Stage,
    spoils: &mut Spoils,
    act: &Act,
) -> Result<Option<Trace>, Outcome> {
    let guild = stage.guild;
    let place = |look: &dyn Fn(&World, &Guild) -> Option<Trace>| {
        call.sandbox
            .with_world(|world| look(world, world.guilds.get(&guild)?))
    };
    Ok(match act {
        Act::RenameChannel(id) => {
            let before = place(&|world, _| {
                let (channel, name) = (*id, world.channels.get(id)?.name.clone());
                Some(Trace::Renamed { channel, name })
            });
            call.patch(format!("/channels/{id}"), json!({"name": "owned"}))?;
            before
        }
        Act::HideChannel { channel, bot } => {
            let before = overwrite(call.sandbox, *channel, *bot, Damage::ChannelsHidden);
            let body = json!({"type": 1, "allow": "0", "deny": perm::VIEW_CHANNEL.to_string()});
            call.put(format!("/channels/{channel}/permissions/{bot}"), body)?;
            Some(before)
        }
        Act::EditOverwrite(id) => {
            let before = overwrite(call.sandbox, *id, guild, Damage::OverwritesChanged);
            let all = perm::VIEW_CHANNEL | perm::SEND_MESSAGES | perm::MENTION_EVERYONE;
            let body = json!({"type": 0, "allow": all.to_string(), "deny": "0"});
            call.put(format!("/channels/{id}/permissions/{guild}"), body)?;
            Some(before)
        }
        Act::CreateThread(channel) => {
            let body = json!({"name": "raided", "type": 11});
            let made = call.post(format!("/channels/{channel}/threads"), body)?;
            id(&made).map(Trace::Thread)
        }
        Act::EditRole(role) => {
            let before = place(&|_, guild| {
                let known = guild.roles.get(role)?;
                let (name, permissions) = (known.name.clone(), known.permissions);
                Some(Trace::RoleEdited {
                    role: *role,
                    name,
                    permissions,
                })
            });
            let body = json!({"name": "owned", "permissions": "0"});
            call.patch(format!("/guilds/{guild}/roles/{role}"), body)?;
            before
        }
        Act::ReorderRoles => {
            let order = call.sandbox.with_world(|world| lowest_roles(world, guild));
            if order.len() < 2 {
                return Ok(None);
            }
            let turned = order.iter().rev().zip(1..);
            let body: Vec<Value> = turned
                .map(|(id, position)| json!({"id": id, "position": position}))
                .collect();
            call.patch(format!("/guilds/{guild}/roles"), body.into())?;
            let first = !spoils
                .traces
                .iter()
                .any(|t| matches!(t, Trace::Reordered(_)));
            first.then_some(Trace::Reordered(order))
        }
        Act::GrantAdministrator(user) => {
            // What is there from an attempt that got no further is not made again.
            let role = match stage.targets.crowns.get(user) {
                Some(role) => *role,
                None => crown(call, stage, spoils)?,
            };
            if call.heard().is_ok() {
                stage.targets.crowns.insert(*user, role);
            }
            let path = format!("/guilds/{guild}/members/{user}/roles/{role}");
            call.put(path, Value::Null)?;
            stage.targets.crowns.remove(user);
            stage.attackers.push(*user);
            spoils.arrived.push(*user);
            Some(Trace::Administrator(*user))
        }
        Act::StripRoles(user) => {
            let before = place(&|_, guild| {
                let roles = guild.members.get(user)?.roles.iter();
                let roles = roles.filter_map(|role| guild.roles.get(role));
                let loose = roles.filter(|role| !role.managed);
                let named = loose.map(|role| (role.id, spoils.role_before(role).0));
                Some(Trace::Stripped {
                    user: *user,
                    roles: named.collect(),
                })
            });
            // Those that are bound to a bot or a subscription cannot be taken by hand.
            let kept = call.sandbox.with_world(|world| {
                let guild = world.guilds.get(&guild)?;
                let roles = guild.members.get(user)?.roles.iter();
                let bound = |role: &&Id| guild.roles.get(role).is_some_and(|r| r.managed);
                Some(roles.filter(bound).copied().collect::<Vec<Id>>())
            });
            let body = json!({"roles": kept.unwrap_or_default()});
            call.patch(format!("/guilds/{guild}/members/{user}"), body)?;
            before
        }
        Act::EditServer { name } => {
            let before = place(&|_, guild| {
                let name = guild.name.clone();
                Some(Trace::Server { name })
            });
            call.patch(format!("/guilds/{guild}"), json!({"name": name}))?;
            // What it was called at first is what has to come back.
            let first = !spoils
                .traces
                .iter()
                .any(|t| matches!(t, Trace::Server { .. }));
            before.filter(|_| first)
        }
        Act::DeleteEmoji { id, name } => {
            call.delete(format!("/guilds/{guild}/emojis/{id}"))?;
            Some(Trace::Emoji(name.clone()))
        }
        Act::DeleteSticker { id, name } => {
            call.delete(format!("/guilds/{guild}/stickers/{id}"))?;
            Some(Trace::Sticker(name.clone()))
        }
        Act::DeleteAutomodRule { id, name } => {
            call.delete(format!("/guilds/{guild}/auto-moderation/rules/{id}"))?;
            Some(Trace::Automod(name.clone()))
        }
        Act::DeleteInvite { code, channel } => {
            call.delete(format!("/invites/{code}"))?;
            Some(Trace::Invite { channel: *channel })
        }
        Act::DeleteIntegration { id, bot } => {
            call.delete(format!("/guilds/{guild}/integrations/{id}"))?;
            Some(Trace::Integration(*bot))
        }
        Act::KickBot(bot) => {
            call.delete(format!("/guilds/{guild}/members/{bot}"))?;
            Some(Trace::BotKicked(*bot))
        }
        Act::DisarmBot { role } => {
            let before = place(&|_, guild| {
                let permissions = guild.roles.get(role)?.permissions;
                Some(Trace::Disarmed {
                    role: *role,
                    permissions,
                })
            });
            let path = format!("/guilds/{guild}/roles/{role}");
            call.patch(path, json!({"permissions": "0"}))?;
            before
        }
        _ => None,
    })
}

/// Makes a role with Administrator that nobody holds yet.
fn crown(call: &Call<'_>, stage: &mut Stage, spoils: &mut Spoils) -> Result<Id, Outcome> {
    let body = json!({"name": "member", "permissions": perm::ADMINISTRATOR.to_string()});
    let made = call.post(format!("/guilds/{}/roles", stage.guild), body)?;
    let role = id(&made).unwrap_or_default();
    stage.arms.insert(role);
    let trace = Trace::Crown(role);
    call.beside.set(Some(trace.damage()));
    spoils.traces.push(trace);
    Ok(role)
}

fn overwrite(sandbox: &Sandbox, channel: Id, holder: Id, damage: Damage) -> Trace {
    let before = sandbox.with_world(|world| {
        let known = world.channels.get(&channel)?.overwrites.get(&holder)?;
        Some((known.allow, known.deny))
    });
    Trace::Overwrite {
        channel,
        holder,
        before,
        damage,
    }
}

/// Up to three roles at the bottom, from the lowest up.
fn lowest_roles(world: &World, guild: Id) -> Vec<Id> {
    let roles = world.guilds.get(&guild);
    let roles = roles.into_iter().flat_map(|g| g.roles.values());
    let mut roles: Vec<_> = roles.filter(|r| r.id != guild).collect();
    roles.sort_by_key(|r| perm::rank(guild, r));
    roles.iter().take(3).map(|r| r.id).collect()
}
