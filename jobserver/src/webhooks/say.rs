use splashtail_api_types::webhooks::{WebhookData, WebhookMessage, WebhookType};
use splashtail_storage::{EventKind, GuildEvent, NewMessage, Storage, StorageError, Webhook};
use uuid::Uuid;

/// Webhooks that are read at a time, and events of one.
const WEBHOOKS: u32 = 50;
const EVENTS: u32 = 200;
/// Rounds of one look; what is left waits for the next.
const ROUNDS: u32 = 20;

/// Makes messages of what has happened.
pub async fn all(storage: &Storage) -> Result<(), StorageError> {
    for _ in 0..ROUNDS {
        let behind = storage.webhooks().webhooks_behind(WEBHOOKS).await?;
        if behind.is_empty() {
            break;
        }
        for webhook in behind {
            let events = storage.events();
            let events = events.behind(webhook.guild, webhook.seen, EVENTS).await?;
            let Some(last) = events.last() else { continue };
            let messages: Vec<_> = told(&events).filter_map(|e| message(&webhook, e)).collect();
            // `false`: another jobserver did it.
            let webhooks = storage.webhooks();
            webhooks.say(&webhook, last.number, &messages).await?;
        }
    }
    Ok(())
}

/// Of changes of the server itself the last one alone: it may change many times a second.
fn told(events: &[GuildEvent]) -> impl Iterator<Item = &GuildEvent> {
    let is_change = |event: &GuildEvent| event.kind == EventKind::Guild;
    let last = events.iter().rposition(is_change);
    let numbered = events.iter().enumerate();
    let told = numbered.filter(move |(n, event)| !is_change(event) || Some(*n) == last);
    told.map(|(_, event)| event)
}

/// What an event says, if that is something of its own.
fn kind(event: &GuildEvent) -> Option<WebhookType> {
    let state = event.state.as_deref().unwrap_or_default();
    Some(match (event.kind, state) {
        (EventKind::Incident, "contained") => WebhookType::IncidentContained,
        (EventKind::Incident, "returned" | "closed") => return None,
        // The first one of an incident is said, however far it is already.
        (EventKind::Incident, _) => WebhookType::IncidentOpened,
        (EventKind::Job, "completed" | "failed") => WebhookType::JobFinished,
        (EventKind::Job, _) => return None,
        (EventKind::Approval, "open") => WebhookType::ApprovalOpened,
        (EventKind::Approval, "running") => return None,
        (EventKind::Approval, _) => WebhookType::ApprovalDecided,
        (EventKind::Settings, _) => WebhookType::SettingsChanged,
        (EventKind::Guild, _) => WebhookType::GuildChanged,
        (EventKind::BackupLate, _) => WebhookType::BackupLate,
    })
}

fn message(webhook: &Webhook, event: &GuildEvent) -> Option<NewMessage> {
    let kind = kind(event)?;
    if !webhook.types.iter().any(|own| own == kind.as_str()) {
        return None;
    }
    let body = WebhookMessage {
        r#type: kind,
        timestamp: event.at,
        data: WebhookData {
            guild_id: webhook.guild.to_string(),
            id: event.subject.clone(),
            state: event.state.clone(),
        },
    };
    Some(NewMessage {
        id: Uuid::new_v4(),
        kind: kind.as_str().to_owned(),
        subject: match event.kind {
            // These can be said again of the same server and schedule.
            EventKind::Guild | EventKind::BackupLate => event.number.to_string(),
            _ => event.subject.clone(),
        },
        body: serde_json::to_string(&body).ok()?,
        at: event.at,
    })
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use splashtail_core::ids::{GuildId, UserId};

    use super::*;

    fn event(kind: EventKind, state: Option<&str>) -> GuildEvent {
        GuildEvent {
            number: 1,
            kind,
            subject: "7".to_owned(),
            state: state.map(str::to_owned),
            at: DateTime::UNIX_EPOCH,
        }
    }

    fn webhook(types: &[WebhookType]) -> Webhook {
        Webhook {
            id: Uuid::nil(),
            guild: GuildId::new(5).unwrap(),
            name: String::new(),
            url: String::new(),
            types: types.iter().map(|kind| kind.as_str().to_owned()).collect(),
            secret: Vec::new(),
            seen: 0,
            off: None,
            created_by: UserId::new(1).unwrap(),
            created_at: DateTime::UNIX_EPOCH,
            vouched_by: UserId::new(1).unwrap(),
        }
    }

    #[test]
    fn events_say_what_people_wait_for() {
        let said = |event_kind, state| kind(&event(event_kind, state));
        use {EventKind as E, WebhookType as W};
        for (state, expected) in [
            ("open", Some(W::IncidentOpened)),
            ("containing", Some(W::IncidentOpened)),
            ("dry_run", Some(W::IncidentOpened)),
            ("contained", Some(W::IncidentContained)),
            ("closed", None),
        ] {
            assert_eq!(said(E::Incident, Some(state)), expected, "{state}");
        }
        assert_eq!(said(E::Job, Some("running")), None);
        assert_eq!(said(E::Job, Some("failed")), Some(W::JobFinished));
        assert_eq!(said(E::Approval, Some("open")), Some(W::ApprovalOpened));
        assert_eq!(said(E::Approval, Some("refused")), Some(W::ApprovalDecided));
        assert_eq!(said(E::Settings, None), Some(W::SettingsChanged));
    }

    #[test]
    fn a_server_that_changes_often_is_said_to_once() {
        let change = |number, subject: &str, kind| GuildEvent {
            number,
            subject: subject.to_owned(),
            ..event(kind, None)
        };
        let events = [
            change(1, "5", EventKind::Guild),
            change(2, "9", EventKind::BackupLate),
            change(3, "5", EventKind::Guild),
            change(4, "9", EventKind::BackupLate),
        ];
        let hears = webhook(&[WebhookType::GuildChanged, WebhookType::BackupLate]);
        let said: Vec<_> = told(&events).filter_map(|e| message(&hears, e)).collect();
        let said: Vec<_> = said
            .iter()
            .map(|said| (said.kind.as_str(), said.subject.as_str()))
            .collect();
        let late = |number| ("backup.late", number);
        assert_eq!(said, [late("2"), ("guild.changed", "3"), late("4")]);
    }

    #[test]
    fn a_webhook_hears_of_its_types_alone() {
        let event = event(EventKind::Job, Some("failed"));
        assert_eq!(
            message(&webhook(&[WebhookType::IncidentOpened]), &event),
            None
        );
        let said = message(&webhook(&[WebhookType::JobFinished]), &event).unwrap();
        assert_eq!(
            said.body,
            r#"{"type":"job.finished","timestamp":"1970-01-01T00:00:00Z","data":{"guild_id":"5","id":"7","state":"failed"}}"#
        );
        assert_eq!(
            (said.kind.as_str(), said.subject.as_str()),
            ("job.finished", "7")
        );
    }
}
