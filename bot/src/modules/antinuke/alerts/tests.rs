use std::sync::atomic::{AtomicU64, Ordering};

use splashtail_antinuke::Saved;
use wiremock::matchers::any;
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::*;
use crate::modules::antinuke::tests::{World, view};

fn about(user: u64) -> Alert {
    Alert {
        notice: Notice::Trusted,
        incident: None,
        about: Some(Id::new(user)),
        owner: false,
    }
}

fn guild(id: u64) -> GuildId {
    GuildId::new(id).unwrap()
}

#[test]
fn servers_are_told_beside_each_other_and_each_one_thing_after_another() {
    let alerts = Alerts::default();
    for id in 1..=AT_ONCE as u64 + 1 {
        alerts.push(guild(id), about(1));
    }
    alerts.push(guild(1), about(2));
    alerts.push(guild(1), about(2));
    let taken = alerts.take(Duration::ZERO);
    assert_eq!(taken.len(), AT_ONCE);
    assert_eq!(taken[&guild(1)].len(), 2, "no notice is taken for another");
    alerts.push(guild(1), about(3));
    assert!(alerts.take(Duration::ZERO).is_empty(), "all are busy");
    drop(Turn(&alerts, guild(1)));
    drop(Turn(&alerts, guild(2)));
    assert_eq!(alerts.take(Duration::ZERO).len(), 2);
}

#[test]
fn what_was_not_delivered_waits_and_knows_who_was_told() {
    let alerts = Alerts::default();
    alerts.push(guild(1), about(1));
    let mut failed = alerts.take(Duration::ZERO)[&guild(1)][0];
    failed.owner_told = true;
    failed.attempts = 1;
    failed.not_before = PAUSE;
    alerts.again(guild(1), failed);
    drop(Turn(&alerts, guild(1)));
    assert!(alerts.take(Duration::ZERO).is_empty(), "not yet");
    assert_eq!(alerts.take(PAUSE)[&guild(1)], [failed]);
}

fn of_incident(incident: u64) -> Alert {
    Alert {
        notice: Notice::Incident,
        incident: Some(Id::new(incident)),
        ..about(1)
    }
}

fn first(alert: Alert) -> Telling {
    Telling {
        alert,
        attempts: 0,
        not_before: Duration::ZERO,
        owner_not_before: Duration::ZERO,
        channel_failed: false,
        channel_told: false,
        owner_told: false,
    }
}

#[test]
fn where_too_many_wait_an_incident_takes_the_place_of_a_notice() {
    let alerts = Alerts::default();
    for user in 1..=MAX_OF_ONE as u64 {
        alerts.push(guild(1), about(user));
    }
    alerts.push(guild(1), of_incident(9));
    alerts.push(guild(1), about(MAX_OF_ONE as u64 + 1));
    assert_eq!(alerts.waiting(guild(1)), [Id::new(9)]);
    assert_eq!(alerts.take(Duration::ZERO)[&guild(1)].len(), MAX_OF_ONE);
}

#[test]
fn the_last_word_to_a_server_gives_way_to_nothing() {
    let alerts = Alerts::default();
    let last = Alert {
        notice: Notice::Expelled,
        ..about(1)
    };
    alerts.push(guild(1), last);
    for user in 2..=MAX_OF_ONE as u64 {
        alerts.push(guild(1), about(user));
    }
    alerts.push(guild(1), of_incident(9));
    let taken = &alerts.take(Duration::ZERO)[&guild(1)];
    assert_eq!(taken.len(), MAX_OF_ONE);
    assert!(taken.iter().any(|telling| telling.alert == last));
}

#[test]
fn an_owner_who_cannot_be_written_to_holds_up_no_news() {
    const HOUR: Duration = Duration::from_secs(3600);
    let alerts = Alerts::default();
    let take = |now| alerts.take(now).remove(&guild(1)).map(|taken| taken[0]);
    let fail = |telling: Telling| {
        alerts.again(guild(1), telling);
        drop(Turn(&alerts, guild(1)));
    };
    alerts.push(guild(1), of_incident(9));
    let mut waits = take(Duration::ZERO).unwrap();
    waits.channel_told = true;
    (waits.not_before, waits.owner_not_before) = (HOUR, HOUR);
    fail(waits);
    assert_eq!(take(Duration::ZERO), None, "there is no news");
    alerts.push(guild(1), of_incident(9));
    let mut news = take(Duration::ZERO).unwrap();
    let told = (news.channel_told, news.owner_not_before);
    assert_eq!(told, (false, HOUR), "the owner has to wait as before");
    // A channel that takes nothing is not asked with each piece of news.
    (news.channel_failed, news.not_before) = (true, HOUR);
    fail(news);
    alerts.push(guild(1), of_incident(9));
    assert_eq!(take(Duration::ZERO), None);
    assert!(take(HOUR).is_some());
}

#[tokio::test]
async fn an_incident_is_tried_until_its_last_state_is_shown() {
    let world = World::without_tables().await;
    let protection = world.start();
    protection.load(&view()).await.unwrap();
    let mut telling = first(of_incident(9));
    telling.attempts = ATTEMPTS;
    protection.tell_or_retry(guild(10), telling).await;
    let waits = protection.alerts.take(Duration::MAX);
    assert_eq!(waits[&guild(10)][0].attempts, ATTEMPTS + 1);
}

/// A server with an incident that is told in a channel.
async fn attacked(discord: &MockServer) -> (World, Arc<Protection>) {
    let world = World::new().await.at(&discord.uri());
    let incident = json!({"id": "9", "guild": "10", "kind": "actor", "mode": "on",
        "state": "contained", "suspects": [], "rules": [], "acts": [], "acts_in_all": 3,
        "calls": [], "panic": false, "losses": [], "by_hand": [], "updated": 5,
        "times": {"act": 1, "received": 1, "decided": 1}});
    let saved = json!({"highest": "1499999999999999999", "incidents": [incident]});
    let saved: Saved = serde_json::from_value(saved).unwrap();
    let policy = json!({"mode": "on", "alert_channel": "20"});
    world.set(policy, &saved).await;
    let protection = world.start();
    protection.load(&view()).await.unwrap();
    (world, protection)
}

/// What was sent to the channel of alerts: method, end of the path, description.
async fn sent(discord: &MockServer) -> Vec<(String, String, String)> {
    let requests = discord.received_requests().await.unwrap();
    let to_channel = requests.into_iter().filter_map(|request| {
        let path = request.url.path();
        let (_, end) = path.split_once("/channels/20/messages")?;
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let text = body["embeds"][0]["description"].as_str();
        Some((
            request.method.to_string(),
            end.to_owned(),
            text.unwrap_or_default().to_owned(),
        ))
    });
    to_channel.collect()
}

#[tokio::test]
async fn a_notice_about_an_incident_has_a_message_of_its_own() {
    let discord = MockServer::start().await;
    let made = AtomicU64::new(100);
    // Each request makes something of its own.
    let answer = move |request: &Request| {
        let mut made_of: Value = serde_json::from_slice(&request.body).unwrap();
        made_of["id"] = made.fetch_add(1, Ordering::SeqCst).to_string().into();
        ResponseTemplate::new(200).set_body_json(made_of)
    };
    Mock::given(any())
        .respond_with(answer)
        .mount(&discord)
        .await;
    let (_world, protection) = attacked(&discord).await;
    let power = Alert {
        notice: Notice::UnexplainedPower,
        ..of_incident(9)
    };
    for alert in [of_incident(9), power, of_incident(9), power] {
        protection.tell_or_retry(guild(10), first(alert)).await;
    }
    let sent = sent(&discord).await;
    let ways: Vec<_> = sent
        .iter()
        .map(|(method, end, _)| (method.as_str(), end.as_str()))
        .collect();
    assert_eq!(
        ways,
        [("POST", ""), ("POST", ""), ("PATCH", "/100"), ("POST", "")]
    );
    let notice = text::notice(Language::English, power.notice, power.about);
    let notice = &notice["embeds"][0]["description"];
    let said: Vec<bool> = sent.iter().map(|(.., text)| *notice == **text).collect();
    assert_eq!(said, [false, true, false, true]);
}

#[tokio::test]
async fn a_message_of_an_earlier_post_is_brought_up_to_date() {
    let discord = MockServer::start().await;
    // As of a nonce that is known: what was so when the first answer was lost.
    let earlier = json!({"id": "77", "embeds": [{"title": "Under attack", "description": "…"}]});
    let answer = ResponseTemplate::new(200).set_body_json(earlier);
    Mock::given(any())
        .respond_with(answer)
        .mount(&discord)
        .await;
    let (_world, protection) = attacked(&discord).await;
    let telling = first(of_incident(9));
    protection.tell_or_retry(guild(10), telling).await;
    let sent = sent(&discord).await;
    assert_eq!(sent[0].0, "POST");
    assert_eq!((&*sent[1].0, &*sent[1].1), ("PATCH", "/77"));
    assert_eq!(sent[1].2, sent[0].2, "the last state");
}

#[tokio::test]
async fn what_the_database_does_not_tell_is_told_later() {
    let world = World::without_tables().await;
    let protection = world.start();
    protection.load(&view()).await.unwrap();
    let telling = first(of_incident(9));
    protection.tell_or_retry(guild(10), telling).await;
    let waits = protection.alerts.take(PAUSE);
    assert_eq!(waits[&guild(10)][0].attempts, 1);
    drop(Turn(&protection.alerts, guild(10)));

    // There is no such incident: nobody is told anything.
    world.storage.migrate().await.unwrap();
    protection.tell_or_retry(guild(10), telling).await;
    assert!(protection.alerts.take(Duration::MAX).is_empty());
}

#[test]
fn the_message_of_the_oldest_incident_is_forgotten_first() {
    let alerts = Alerts::default();
    let at = (ChannelId::new(1).unwrap(), MessageId::new(2).unwrap());
    for incident in 1..=MAX_MESSAGES as u64 + 1 {
        alerts.remember(
            guild(MAX_MESSAGES as u64 + 2 - incident),
            Id::new(incident),
            at,
        );
    }
    let (oldest, newest) = (guild(MAX_MESSAGES as u64 + 1), guild(1));
    assert_eq!(alerts.message(oldest, Id::new(1)), None);
    let last = Id::new(MAX_MESSAGES as u64 + 1);
    assert_eq!(alerts.message(newest, last), Some(at));
}

#[test]
fn the_owner_is_told_of_a_stopped_attack_wherever_else_it_is_told() {
    let on = Policy {
        mode: Mode::On,
        ..Policy::default()
    };
    let told = json!({"id": "9", "guild": "10", "kind": "actor", "mode": "on",
        "state": "contained", "suspects": [], "rules": [], "acts": [], "acts_in_all": 3,
        "calls": [], "panic": false, "losses": [], "by_hand": [], "updated": 5,
        "times": {"act": 1, "received": 1, "decided": 1, "alerted": 2}});
    let mut incident: Incident = serde_json::from_value(told).unwrap();
    let alert = Alert {
        notice: Notice::Incident,
        incident: Some(incident.id),
        about: None,
        owner: false,
    };
    assert!(is_for_owner(&on, alert, Some(&incident), true));
    incident.times.owner_told = Some(splashtail_antinuke::Moment(3));
    assert!(!is_for_owner(&on, alert, Some(&incident), true), "once");
    incident.times.owner_told = None;
    incident.mode = Mode::DryRun;
    incident.state = IncidentState::DryRun;
    assert!(!is_for_owner(
        &Policy::default(),
        alert,
        Some(&incident),
        false
    ));
}

#[test]
fn the_owner_in_private_is_led_to_the_buttons() {
    let alert = json!({"embeds": [{"title": "Stopped"}], "components": [{"type": 1, "components": [
        {"type": 2, "style": 3, "label": "Put back", "custom_id": "an:back:9:mac"}]}]});
    let at = (ChannelId::new(20).unwrap(), MessageId::new(30).unwrap());
    let told = in_private(
        Language::English,
        alert.clone(),
        "Harbour",
        (guild(10), true, Some(at)),
    );
    let link = &told["components"][0]["components"][0];
    assert_eq!(link["url"], "https://discord.com/channels/10/20/30");
    assert_eq!(told["content"], "In **Harbour**:");
    assert_eq!(told["embeds"], alert["embeds"]);

    let told = in_private(Language::English, alert, "Harbour", (guild(10), true, None));
    assert_eq!(
        told["components"],
        json!([]),
        "a press there reaches nobody"
    );
    assert!(told["content"].to_string().contains("/protection alerts"));
}
