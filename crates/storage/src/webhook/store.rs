use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::GuildId;
use splashtail_core::telemetry::Chain;
use tracing::warn;
use uuid::Uuid;

use super::statements::*;
use super::{
    Busy, DueMessage, MOST_WEBHOOKS, MessageRow, MessageState, NewMessage, NewWebhook, SaidAlone,
    Tried, TriedEnd, Webhook, WebhookChange, WebhookStore, WebhookSwitch,
};
use crate::engine::{Engine, Query, Row, query};
use crate::error::StorageError;
use crate::event;
use crate::sql::length;
use crate::token::PURGED_AT_ONCE;

/// Webhooks that one call finds with nothing that is due.
const EMPTY: usize = 100;

const DAMAGED: &str = "it cannot be read: make it anew";

/// Behind all times.
const LAST: DateTime<Utc> = match DateTime::from_timestamp(253_402_300_799, 0) {
    Some(last) => last,
    None => DateTime::UNIX_EPOCH,
};

#[async_trait]
impl WebhookStore for Engine {
    async fn add_webhook(&self, webhook: &NewWebhook) -> Result<bool, StorageError> {
        let add = query(ADD)
            .bind(webhook.id)
            .bind(webhook.guild)
            .bind(&webhook.name)
            .bind(&webhook.url)
            .bind(Value::from(webhook.types.clone()).to_string())
            .bind(webhook.secret.as_slice())
            .bind(webhook.created_by)
            .bind(webhook.created_at)
            .bind(MOST_WEBHOOKS);
        let mut tx = self.begin().await?;
        if let Self::Postgres(_) = self {
            let lock = query(LOCK_GUILD).bind(webhook.guild.to_string());
            tx.fetch_optional(lock).await?;
            event::lock(&mut tx, webhook.guild).await?;
        }
        let added = tx.execute(add).await? == 1;
        tx.commit().await?;
        Ok(added)
    }

    async fn webhooks(&self, guild: GuildId) -> Result<Vec<Webhook>, StorageError> {
        let rows = self.fetch_all(query(OF_GUILD).bind(guild)).await?;
        rows.iter().map(read).collect()
    }

    async fn webhook(&self, id: Uuid) -> Result<Option<Webhook>, StorageError> {
        let row = self.fetch_optional(query(ONE).bind(id)).await?;
        row.as_ref().map(read).transpose()
    }

    async fn change_webhook(
        &self,
        guild: GuildId,
        id: Uuid,
        change: &WebhookChange,
    ) -> Result<Option<Webhook>, StorageError> {
        let types = change.types.clone();
        let off = change.switch.as_ref().map(|switch| match switch {
            WebhookSwitch::On => "",
            WebhookSwitch::Off(why) => why,
        });
        let write = query(CHANGE)
            .bind(guild)
            .bind(id)
            .bind(change.name.as_deref())
            .bind(change.url.as_deref())
            .bind(types.map(|types| Value::from(types).to_string()))
            .bind(off)
            .bind(change.vouched_by);
        let mut tx = self.begin().await?;
        if let Self::Postgres(_) = self {
            event::lock(&mut tx, guild).await?;
        }
        let changed = tx.fetch_optional(write).await?;
        let changed = changed.as_ref().map(read).transpose()?;
        let is_on = change.switch == Some(WebhookSwitch::On);
        if changed.is_some() && (is_on || change.url.is_some()) {
            tx.execute(query(FROM_THE_FIRST).bind(id)).await?;
        }
        tx.commit().await?;
        Ok(changed)
    }

    async fn switch_off(
        &self,
        tried: &Webhook,
        why: &str,
        silent_since: Option<DateTime<Utc>>,
    ) -> Result<bool, StorageError> {
        let off = query(SWITCH_OFF).bind(tried.id).bind(&tried.url).bind(why);
        let off = off
            .bind(silent_since.unwrap_or(LAST))
            .bind(tried.vouched_by);
        Ok(self.execute(off).await? == 1)
    }

    async fn remove_webhook(&self, guild: GuildId, id: Uuid) -> Result<bool, StorageError> {
        let remove = query(REMOVE).bind(guild).bind(id);
        Ok(self.execute(remove).await? == 1)
    }

    async fn webhooks_behind(&self, limit: u32) -> Result<Vec<Webhook>, StorageError> {
        let mut behind = Vec::new();
        for row in self.fetch_all(query(BEHIND).bind(limit)).await? {
            match read(&row) {
                Ok(webhook) => behind.push(webhook),
                Err(error) => self.execute(put_away(&row, &error)?).await.map(drop)?,
            }
        }
        Ok(behind)
    }

    async fn say(
        &self,
        webhook: &Webhook,
        seen: i64,
        messages: &[NewMessage],
    ) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        let move_on = query(MOVE_ON)
            .bind(webhook.id)
            .bind(webhook.seen)
            .bind(seen);
        if tx.execute(move_on).await? != 1 {
            tx.rollback().await?;
            return Ok(false);
        }
        if !messages.is_empty() {
            tx.execute(woken(webhook.id, Duration::ZERO)).await?;
        }
        for message in messages {
            tx.execute(said(webhook.id, message)).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn say_if_none_waits(
        &self,
        guild: GuildId,
        webhook: Uuid,
        message: &NewMessage,
    ) -> Result<SaidAlone, StorageError> {
        let mut tx = self.begin().await?;
        let held = tx.fetch_optional(query(HOLD).bind(guild).bind(webhook));
        if held.await?.is_none() {
            tx.rollback().await?;
            return Ok(SaidAlone::NoWebhook);
        }
        let waits = tx.fetch_optional(query(WAITS).bind(webhook).bind(&message.kind));
        if waits.await?.is_some() {
            tx.rollback().await?;
            return Ok(SaidAlone::Waits);
        }
        tx.execute(woken(webhook, Duration::ZERO)).await?;
        tx.execute(said(webhook, message)).await?;
        tx.commit().await?;
        Ok(SaidAlone::Said)
    }

    async fn take_due(
        &self,
        for_long: Duration,
        busy: &Busy,
    ) -> Result<Option<DueMessage>, StorageError> {
        let guilds: Vec<_> = busy.guilds.iter().map(|guild| guild.to_db()).collect();
        let addresses = Value::from(busy.addresses.clone()).to_string();
        let guilds = Value::from(guilds).to_string();
        let both = busy.both.iter();
        let both = both.map(|(guild, address)| format!("{} {address}", guild.to_db()));
        let both = Value::from_iter(both).to_string();
        for _ in 0..EMPTY {
            let mut tx = self.begin().await?;
            let turn = query(TURN).bind(&addresses).bind(&guilds).bind(&both);
            let Some(row) = tx.fetch_optional(turn).await? else {
                tx.rollback().await?;
                return Ok(None);
            };
            let webhook = match read(&row) {
                Ok(webhook) => webhook,
                Err(error) => {
                    tx.execute(put_away(&row, &error)?).await?;
                    tx.commit().await?;
                    continue;
                }
            };
            let take = query(TAKE_DUE).bind(length(for_long)).bind(webhook.id);
            let taken = tx.fetch_optional(take).await?;
            tx.execute(query(NEXT_TURN).bind(webhook.id)).await?;
            tx.commit().await?;
            // `None`: what was due has gone meanwhile.
            if let Some(row) = taken {
                return Ok(Some(DueMessage {
                    id: row.get("message_id")?,
                    webhook,
                    body: row.get("body")?,
                    attempt: count(&row)?,
                }));
            }
        }
        Ok(None)
    }

    async fn tried(&self, message: Uuid, tried: &Tried) -> Result<(), StorageError> {
        let told = |sql: Query| {
            sql.bind(message)
                .bind(&tried.outcome)
                .bind(tried.status.map(i64::from))
                .bind(tried.at)
        };
        let (tried, again) = match tried.end {
            TriedEnd::Again(wait) => (told(query(TRIED_AGAIN)).bind(length(wait)), Some(wait)),
            TriedEnd::Delivered => (
                told(query(TRIED)).bind(MessageState::Delivered.as_str()),
                None,
            ),
            TriedEnd::Failed => (told(query(TRIED)).bind(MessageState::Failed.as_str()), None),
        };
        let Some(wait) = again else {
            return self.execute(tried).await.map(drop);
        };
        let mut tx = self.begin().await?;
        let of = tx.fetch_optional(query(OF_MESSAGE).bind(message)).await?;
        if let Some(of) = of {
            tx.execute(woken(of.get("webhook_id")?, wait)).await?;
            tx.execute(tried).await?;
        }
        tx.commit().await
    }

    async fn send_again(&self, webhook: Uuid, message: Uuid) -> Result<bool, StorageError> {
        let mut tx = self.begin().await?;
        tx.execute(woken(webhook, Duration::ZERO)).await?;
        let again = query(SEND_AGAIN).bind(webhook).bind(message);
        let is_due = tx.execute(again).await? == 1;
        tx.commit().await?;
        Ok(is_due)
    }

    async fn messages(
        &self,
        webhook: Uuid,
        before: Option<Uuid>,
        limit: u32,
    ) -> Result<Vec<MessageRow>, StorageError> {
        let messages = match before {
            None => query(MESSAGES).bind(webhook),
            Some(before) => query(MESSAGES_BEFORE).bind(webhook).bind(before),
        };
        let rows = self.fetch_all(messages.bind(limit)).await?;
        rows.iter().map(read_message).collect()
    }

    async fn purge_messages(&self, older_than: Duration) -> Result<u64, StorageError> {
        let purge = query(PURGE).bind(length(older_than));
        self.execute(purge.bind(PURGED_AT_ONCE)).await
    }
}

/// Has a webhook looked at when a message of its own is due.
fn woken(webhook: Uuid, wait: Duration) -> Query {
    query(WAKE).bind(webhook).bind(length(wait))
}

fn said(webhook: Uuid, message: &NewMessage) -> Query {
    query(SAY)
        .bind(message.id)
        .bind(webhook)
        .bind(&message.kind)
        .bind(&message.subject)
        .bind(&message.body)
        .bind(message.at)
}

/// Switches off a webhook whose row is damaged.
fn put_away(row: &Row, error: &StorageError) -> Result<Query, StorageError> {
    let id: Uuid = row.get("webhook_id")?;
    warn!(webhook.id = %id, error = %Chain(error), "a webhook was switched off: its row is damaged");
    Ok(query(PUT_AWAY).bind(id).bind(DAMAGED))
}

fn read(row: &Row) -> Result<Webhook, StorageError> {
    Ok(Webhook {
        id: row.get("webhook_id")?,
        guild: row.get("guild_id")?,
        name: row.get("name")?,
        url: row.get("url")?,
        types: row.json("types")?,
        secret: row.get("secret")?,
        seen: row.get("seen")?,
        off: row.get("off")?,
        created_by: row.get("created_by")?,
        created_at: row.get("created_at")?,
        vouched_by: row.get("vouched_by")?,
    })
}

fn count(row: &Row) -> Result<u32, StorageError> {
    let attempts: i32 = row.get("attempts")?;
    u32::try_from(attempts).map_err(StorageError::corrupt)
}

fn read_message(row: &Row) -> Result<MessageRow, StorageError> {
    let status: Option<i32> = row.get("status")?;
    Ok(MessageRow {
        id: row.get("message_id")?,
        kind: row.get("type")?,
        subject: row.get("subject")?,
        body: row.get("body")?,
        state: row.parsed("state")?,
        attempts: count(row)?,
        due_at: row.get("due_at")?,
        outcome: row.get("outcome")?,
        status: status.and_then(|status| u16::try_from(status).ok()),
        created_at: row.get("created_at")?,
        tried_at: row.get("tried_at")?,
    })
}
