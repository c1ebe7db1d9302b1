//! Reading the audit log.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Table;
use crate::rest::cx::{Cx, Reply};
use crate::rest::error::ApiError;
use crate::world::permissions as perm;
use crate::world::{AuditEntry, Id};

pub(super) fn routes(table: &mut Table) {
    table
        .get(
            "/guilds/{guild_id}/audit-logs",
            "list_guild_audit_log_entries",
            list,
        )
        .limit("audit_logs", 10, 5000);
}

fn list(cx: &mut Cx<'_>) -> Result<Reply, ApiError> {
    let guild = cx.guild()?;
    cx.require(guild.id, perm::VIEW_AUDIT_LOG)?;
    let limit = cx.query_number("limit", 50, 1, 100)? as usize;
    let kind = cx.query_number("action_type", 0, 0, 1000)? as u16;
    let (user, target) = (cx.query_id("user_id")?, cx.query_id("target_id")?);
    let (before, after) = (cx.query_id("before")?, cx.query_id("after")?);
    let now = cx.steady_ms();
    let kept_since = cx.now().plus(-45 * 86_400_000);
    let wanted = |e: &&AuditEntry| {
        user.is_none_or(|u| e.user == Some(u))
            && target.is_none_or(|t| e.target == Some(t))
            && (kind == 0 || e.action == kind)
            && before.is_none_or(|b| e.id < b)
            && after.is_none_or(|a| e.id > a)
            && e.id.created() > kept_since
            && e.shown_from_ms.is_some_and(|from| from <= now)
    };
    let entries: Vec<&AuditEntry> = if after.is_some() {
        guild.audit.entries().filter(wanted).take(limit).collect()
    } else {
        guild
            .audit
            .entries()
            .rev()
            .filter(wanted)
            .take(limit)
            .collect()
    };
    let users: BTreeSet<Id> = entries
        .iter()
        .flat_map(|e| [e.user, e.target])
        .flatten()
        .filter(|u| cx.world.users.contains_key(u))
        .collect();
    let targets: BTreeSet<Id> = entries.iter().filter_map(|e| e.target).collect();
    let webhooks: Vec<Value> = targets
        .iter()
        .filter_map(|t| cx.world.webhooks.get(t))
        .map(|w| cx.world.webhook_json(w, false))
        .collect();
    let threads: Vec<Value> = targets
        .iter()
        .filter(|t| guild.threads.contains(t))
        .filter_map(|t| cx.world.channels.get(t))
        .map(|c| cx.world.channel_json(c))
        .collect();
    let rules: Vec<Value> = targets
        .iter()
        .filter_map(|t| guild.automod.get(t))
        .map(|r| r.json(guild.id))
        .collect();
    let integrations: Vec<Value> = targets
        .iter()
        .filter_map(|t| guild.integrations.get(t))
        .map(|i| {
            let full = cx.world.integration_json(i);
            json!({"id": i.id, "type": "discord", "name": full["name"], "account": full["account"], "application_id": i.app})
        })
        .collect();
    let mut log = json!({});
    log["audit_log_entries"] = entries.iter().map(|e| e.json()).collect();
    log["users"] = users.iter().map(|u| cx.world.user_json(*u)).collect();
    log["integrations"] = integrations.into();
    log["webhooks"] = webhooks.into();
    log["guild_scheduled_events"] = targets
        .iter()
        .filter_map(|t| guild.scheduled_events.get(t))
        .map(|e| cx.world.scheduled_event_json(guild.id, e))
        .collect();
    log["threads"] = threads.into();
    log["application_commands"] = json!([]);
    log["auto_moderation_rules"] = rules.into();
    Reply::ok(log)
}
