//! Invites.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Table, members};
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::{self, ApiError};
use crate::rest::form::Form;
use crate::world::permissions as perm;
use crate::world::{Audit, Change, Id, Invite, action};

pub(super) fn routes(table: &mut Table) {
    table.get("/invites/{code}", "invite_resolve", resolve);
    table.delete("/invites/{code}", "invite_revoke", revoke);
    table.get("/guilds/{guild_id}/invites", "list_guild_invites", of_guild);
    table.get(
        "/channels/{channel_id}/invites",
        "list_channel_invites",
        of_channel,
    );
    table.post(
        "/channels/{channel_id}/invites",
        "create_channel_invite",
        create,
    );
}

fn live(cx: &Cx<'_>) -> Result<Invite, ApiError> {
    let now = cx.now();
    let invite = cx
        .world
        .invites
        .get(cx.param("code"))
        .filter(|i| i.alive(now));
    Ok(invite.cloned().ok_or(error::UNKNOWN_INVITE)?)
}

fn resolve(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let invite = live(cx)?;
    let mut json = cx.world.invite_json(&invite, false);
    if cx.query_flag("with_counts", false)
        && let Some(guild) = cx.world.guilds.get(&invite.guild)
    {
        json["approximate_member_count"] = guild.members.len().into();
        json["approximate_presence_count"] = guild
            .members
            .keys()
            .filter(|u| cx.world.presences.contains_key(u))
            .count()
            .into();
    }
    Reply::ok(json)
}

fn list(cx: &Cx<'_>, with_metadata: bool, keep: impl Fn(&Invite) -> bool) -> Vec<Value> {
    let now = cx.now();
    let kept = cx
        .world
        .invites
        .values()
        .filter(|i| i.alive(now) && keep(i));
    kept.map(|i| cx.world.invite_json(i, with_metadata))
        .collect()
}

fn of_guild(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.guild()?.id;
    // Whoever may only read the audit log is not told how often each was used.
    let manages = cx.require(id, perm::MANAGE_GUILD);
    if manages.is_err() {
        cx.require(id, perm::VIEW_AUDIT_LOG)?;
    }
    Reply::ok(list(cx, manages.is_ok(), |i| i.guild == id))
}

fn of_channel(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let id = cx.channel()?.id;
    cx.require_in(id, perm::MANAGE_CHANNELS)?;
    Reply::ok(list(cx, true, |i| i.channel == id))
}

fn create(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let channel = cx.channel()?;
    let (id, guild) = (channel.id, channel.guild_id.ok_or(error::DM_ONLY_GUILD)?);
    cx.require_in(id, perm::CREATE_INSTANT_INVITE)?;
    let reason = cx.reason()?;
    let (me, now) = (cx.me(), cx.now());
    let body = cx.body()?;
    if !body.is_object() {
        return Err(ApiError::field(
            "",
            "DICT_TYPE_CONVERT",
            "Only dictionaries may be used in a DictType",
        ));
    }
    let mut form = Form::new(&body);
    let max_age = form.int("max_age", 0..=604_800).unwrap_or(86_400) as u64;
    let max_uses = form.int("max_uses", 0..=100).unwrap_or(0) as u64;
    let temporary = form.flag("temporary").unwrap_or(false);
    let unique = form.flag("unique").unwrap_or(false);
    let roles: BTreeSet<Id> = form
        .ids("role_ids", 250)
        .unwrap_or_default()
        .into_iter()
        .collect();
    form.done()?;
    if !roles.is_empty() {
        cx.require(guild, perm::MANAGE_ROLES)?;
        let place = cx.guild_by(guild)?;
        for role in &roles {
            let role = place.roles.get(role).ok_or(error::UNKNOWN_ROLE)?;
            members::check_given(cx, place, role)?;
        }
    }
    let same = cx.world.invites.values().find(|i| {
        i.channel == id
            && i.inviter == me
            && i.max_age == max_age
            && i.max_uses == max_uses
            && i.temporary == temporary
            && i.roles == roles
            && i.alive(now)
    });
    if let Some(invite) = same.filter(|_| !unique) {
        return Reply::ok(cx.world.invite_json(invite, true));
    }
    Cx::refuse_if(
        list(cx, true, |i| i.guild == guild).len() >= cx.limits.caps().invites,
        error::MAX_INVITES,
    )?;
    let number = cx.world.next_id();
    let code = cx.world.secret(&format!("invite {number}"), 8);
    let invite = Invite {
        code,
        guild,
        channel: id,
        inviter: me,
        max_age,
        max_uses,
        uses: 0,
        temporary,
        roles,
        created_at: now,
    };
    let changes = Change::made(audited(&invite));
    let json = cx.world.add_invite(invite);
    cx.world.audit(
        guild,
        Audit::of(action::INVITE_CREATE, me)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::ok(json)
}

fn audited(invite: &Invite) -> Vec<(&'static str, Value)> {
    vec![
        ("code", json!(invite.code)),
        ("channel_id", json!(invite.channel)),
        ("inviter_id", json!(invite.inviter)),
        ("uses", json!(invite.uses)),
        ("max_uses", json!(invite.max_uses)),
        ("max_age", json!(invite.max_age)),
        ("temporary", json!(invite.temporary)),
        (
            "role_ids",
            if invite.roles.is_empty() {
                Value::Null
            } else {
                json!(invite.roles)
            },
        ),
    ]
}

fn revoke(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let invite = live(cx)?;
    let me = cx.me();
    cx.require_in(invite.channel, perm::MANAGE_CHANNELS)
        .or_else(|_| cx.require(invite.guild, perm::MANAGE_GUILD))?;
    let reason = cx.reason()?;
    let json = cx.world.invite_json(&invite, false);
    cx.world.remove_invite(&invite);
    let changes = Change::gone(audited(&invite));
    cx.world.audit(
        invite.guild,
        Audit::of(action::INVITE_DELETE, me)
            .changes(changes)
            .reason(reason.as_deref()),
    );
    Reply::ok(json)
}
