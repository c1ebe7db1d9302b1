//! Requests on a database, without Discord: nothing is posted, everything else happens.

use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::json;
use splashtail_core::clock::ManualClock;
use splashtail_core::ids::{ChannelId, GuildId, UserId};
use splashtail_storage::{GuardedRequest, RequestState};
use uuid::Uuid;

use super::rules::Word;
use super::*;
use crate::catalogue::Language;
use crate::modules::foundation;
use crate::operation::Performed;

fn guild() -> GuildId {
    GuildId::new(1).unwrap()
}

fn user(id: u64) -> UserId {
    UserId::new(id).unwrap()
}

/// Owner 1; 2 and 3 are named.
struct Three;

impl People for Three {
    fn circle(&self, _: GuildId) -> Option<Circle> {
        Some(Circle {
            owner: Some(user(1)),
            named: [user(2), user(3)].into(),
            ..Circle::default()
        })
    }
}

/// Counts how often it was done; the first `away` times something is away.
#[derive(Default)]
struct Counted {
    away: AtomicU32,
    done: AtomicU32,
    dropped: AtomicU32,
}

#[async_trait]
impl Operation for Counted {
    fn id(&self) -> &'static str {
        "counted"
    }

    fn name(&self, _: Language) -> String {
        "Count".to_owned()
    }

    async fn perform(&self, _: &GuardedRequest, _: Language) -> Performed {
        let away = self.away.load(Ordering::SeqCst);
        if away > 0 {
            self.away.store(away - 1, Ordering::SeqCst);
            return Performed::Later;
        }
        self.done.fetch_add(1, Ordering::SeqCst);
        Performed::Done("Counted.".to_owned())
    }

    async fn dropped(&self, _: &GuardedRequest) {
        self.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

struct Bench {
    desk: Arc<Desk>,
    clock: ManualClock,
    counted: Arc<Counted>,
}

impl Bench {
    async fn new() -> Self {
        let foundation = foundation::for_tests().await;
        let begun = DateTime::<Utc>::from_timestamp(1_700_000_000, 0).unwrap();
        let clock = ManualClock::new(begun);
        let desk = Desk::new(
            foundation.storage.clone(),
            Arc::new(clock.clone()),
            &foundation.discord,
            Arc::new(Three),
        );
        let counted = Arc::new(Counted::default());
        desk.operate(vec![Arc::clone(&counted) as _]);
        Self {
            desk: Arc::new(desk),
            clock,
            counted,
        }
    }

    fn ask_for(&self, by: u64, here: Option<ChannelId>) -> Ask {
        Ask {
            guild: guild(),
            operation: "counted",
            arguments: json!({}),
            summary: vec!["1 to count".to_owned()],
            digest: format!("digest {by}"),
            by: user(by),
            here,
        }
    }

    async fn ask(&self, by: u64) -> Uuid {
        self.desk.ask(self.ask_for(by, None)).await.unwrap();
        let store = self.desk.storage.guarded();
        store.list(guild(), true, 1).await.unwrap()[0].id
    }

    async fn say(&self, request: Uuid, by: u64, word: Word) -> String {
        let heard = self
            .desk
            .hear((guild(), request), user(by), word, Language::English)
            .await;
        heard.unwrap()
    }

    async fn state(&self, request: Uuid) -> RequestState {
        let row = self.desk.storage.guarded().get(request).await;
        row.unwrap().unwrap().state
    }

    fn minutes_pass(&self, minutes: u64) {
        let time = std::time::Duration::from_secs(minutes * 60);
        self.clock.advance(time);
    }

    fn done(&self) -> u32 {
        self.counted.done.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn two_trusted_people_have_it_done_once() {
    let bench = Bench::new().await;
    let request = bench.ask(2).await;
    let alone = bench.say(request, 2, Word::Agree).await;
    assert!(alone.contains("still waits"), "{alone}");
    let stranger = bench.say(request, 9, Word::Agree).await;
    assert!(stranger.contains("Only the owner"), "{stranger}");
    assert_eq!(bench.done(), 0);
    let (one, two) = tokio::join!(
        bench.say(request, 3, Word::Agree),
        bench.say(request, 1, Word::Agree),
    );
    assert_eq!(bench.done(), 1, "{one} {two}");
    assert_eq!(bench.state(request).await, RequestState::Done);
    let late = bench.say(request, 1, Word::Withdraw).await;
    assert!(late.contains("decided already"), "{late}");
    let answers = bench.desk.storage.guarded().answers(request).await.unwrap();
    assert!(answers.len() >= 3, "{answers:?}");
}

#[tokio::test]
async fn an_administrator_who_is_not_trusted_needs_two_others() {
    let bench = Bench::new().await;
    let request = bench.ask(9).await;
    let own = bench.say(request, 9, Word::Agree).await;
    assert!(own.contains("Only the owner"), "{own}");
    bench.say(request, 2, Word::Agree).await;
    assert_eq!(bench.done(), 0);
    bench.say(request, 3, Word::Agree).await;
    assert_eq!(bench.done(), 1);
}

#[tokio::test]
async fn after_15_minutes_it_is_over() {
    let bench = Bench::new().await;
    let pressed_late = bench.ask(2).await;
    bench.minutes_pass(15);
    let late = bench.say(pressed_late, 3, Word::Agree).await;
    assert!(late.contains("time is over"), "{late}");
    let forgotten = bench.ask(3).await;
    bench.minutes_pass(14);
    bench.desk.look().await.unwrap();
    assert_eq!(bench.state(forgotten).await, RequestState::Open);
    bench.minutes_pass(1);
    bench.desk.look().await.unwrap();
    assert_eq!(bench.state(forgotten).await, RequestState::Expired);
    assert_eq!(bench.state(pressed_late).await, RequestState::Expired);
    assert_eq!(bench.done(), 0);
    assert_eq!(bench.counted.dropped.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn the_owner_alone_agrees_again_after_24_hours() {
    let bench = Bench::new().await;
    let request = bench.ask(1).await;
    bench.minutes_pass(23 * 60);
    let early = bench.say(request, 1, Word::Agree).await;
    assert!(early.contains("still waits"), "{early}");
    bench.desk.look().await.unwrap();
    bench.minutes_pass(60);
    assert_eq!(bench.say(request, 1, Word::Agree).await, "Counted.");
    assert_eq!(bench.done(), 1);
}

#[tokio::test]
async fn withdrawn_and_refused_requests_are_over() {
    let bench = Bench::new().await;
    let withdrawn = bench.ask(2).await;
    bench.say(withdrawn, 2, Word::Withdraw).await;
    let refused = bench.ask(3).await;
    bench.say(refused, 2, Word::Refuse).await;
    assert_eq!(bench.state(refused).await, RequestState::Open, "heard");
    bench.say(refused, 1, Word::Refuse).await;
    for (request, state) in [
        (withdrawn, RequestState::Withdrawn),
        (refused, RequestState::Refused),
    ] {
        assert_eq!(bench.state(request).await, state);
        bench.say(request, 3, Word::Agree).await;
        bench.say(request, 1, Word::Agree).await;
    }
    assert_eq!(bench.done(), 0);
}

#[tokio::test]
async fn what_was_agreed_to_is_done_later_by_whoever_is_there() {
    let bench = Bench::new().await;
    bench.counted.away.store(1, Ordering::SeqCst);
    let request = bench.ask(2).await;
    let said = bench.say(request, 3, Word::Agree).await;
    assert!(said.contains("as soon as"), "{said}");
    bench.desk.look().await.unwrap();
    assert_eq!(bench.done(), 0, "its turn is not over");
    bench.minutes_pass(1);
    bench.desk.look().await.unwrap();
    bench.desk.look().await.unwrap();
    assert_eq!(bench.done(), 1);
    assert_eq!(bench.state(request).await, RequestState::Done);
}

#[tokio::test]
async fn the_same_is_asked_for_once() {
    let bench = Bench::new().await;
    let first = bench.ask(2).await;
    assert_eq!(bench.ask(2).await, first);
    bench
        .clock
        .advance(TimeDelta::minutes(16).to_std().unwrap());
    assert_ne!(bench.ask(2).await, first, "that one is over");
}

#[tokio::test]
async fn nobody_keeps_the_owner_from_refusing() {
    let bench = Bench::new().await;
    let request = bench.ask(2).await;
    for _ in 0..100 {
        bench.say(request, 2, Word::Agree).await;
    }
    assert_eq!(
        bench.say(request, 1, Word::Refuse).await,
        "Nothing is done."
    );
    assert_eq!(bench.state(request).await, RequestState::Refused);
    assert_eq!(bench.done(), 0);
    assert_eq!(bench.counted.dropped.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_final_word_that_ended_nothing_yet_still_does() {
    let bench = Bench::new().await;
    let request = bench.ask(2).await;
    let store = bench.desk.storage.guarded();
    // As a process left it that stopped between the word and the end.
    let refuse = splashtail_storage::Answer {
        user: user(1),
        answer: Word::Refuse.as_str().to_owned(),
        at: bench.desk.now(),
    };
    let stay = |_: &[splashtail_storage::Answer]| splashtail_storage::Move::Stay;
    store.answer(request, &refuse, &stay).await.unwrap();
    bench.say(request, 3, Word::Agree).await;
    assert_eq!(bench.state(request).await, RequestState::Refused);
    assert_eq!(bench.done(), 0);
}

/// What `docs/guarded.md` promises, and what stands behind it.
#[tokio::test]
async fn everything_that_the_docs_promise_is_guarded() {
    use crate::settings::{EntryChange, GuildRows};

    const DOCS: &str = include_str!("../../../../docs/guarded.md");
    let foundation = foundation::for_tests().await;
    let all = crate::modules::assemble::assemble(&crate::modules::all(&foundation)).unwrap();
    let operations: Vec<_> = all.guarded.iter().map(|operation| operation.id()).collect();
    let weakens = |setting: &str, before: serde_json::Value, after: serde_json::Value| {
        let (_, setting) = all.registry.setting(setting).unwrap();
        let rows = GuildRows::default();
        let change = EntryChange {
            language: Language::English,
            before: before.as_object(),
            after: after.as_object(),
            rows_before: &rows,
            rows_after: &rows,
        };
        let rules = setting.rules.as_ref().unwrap();
        operations.contains(&"settings") && rules.weakens(&change).is_some()
    };
    let (_, promised) = DOCS.split_once("## What is guarded\n\n").unwrap();
    let promised = promised.split("\n\n").next().unwrap();
    for promise in promised.split("\n- ") {
        let promise = promise.trim_start_matches("- ");
        let is_kept = match promise.split([':', ',']).next().unwrap() {
            "`/backups restore`" => operations.contains(&"restore"),
            "`/members rejoin`" => operations.contains(&"rejoin"),
            "`/massban`" => {
                let above = |most| json!({"scope": "server", "enabled": true, "bans_above": most});
                operations.contains(&"mass_ban")
                    && weakens("guarded_operations", above(20), above(21))
            }
            "settings that weaken protection" => weakens(
                "protection_policy",
                json!({"mode": "on"}),
                json!({"mode": "off"}),
            ),
            "`/massunban`" => operations.contains(&"mass_unban"),
            "trust in somebody" => {
                weakens("protection_trust", json!(null), json!({"who": "user/7"}))
            }
            "turning guarded operations off" => weakens(
                "guarded_operations",
                json!({"scope": "server", "enabled": true}),
                json!(null),
            ),
            _ => false,
        };
        assert!(is_kept, "nothing guards: {promise}");
    }
}

/// Sends what Discord is asked for to whoever waits for it.
struct Heard(tokio::sync::mpsc::UnboundedSender<String>);

impl wiremock::Respond for Heard {
    fn respond(&self, request: &wiremock::Request) -> wiremock::ResponseTemplate {
        self.0.send(request.url.path().to_owned()).unwrap();
        wiremock::ResponseTemplate::new(200).set_body_json(json!({"id": "77"}))
    }
}

#[tokio::test]
async fn who_hangs_up_does_not_keep_the_others_from_being_told() {
    let mut bench = Bench::new().await;
    let server = wiremock::MockServer::start().await;
    let (heard, mut requests) = tokio::sync::mpsc::unbounded_channel();
    wiremock::Mock::given(wiremock::matchers::any())
        .respond_with(Heard(heard))
        .mount(&server)
        .await;
    let address = server.uri().parse().unwrap();
    let clock = splashtail_core::clock::SystemClock::shared();
    let discord = splashtail_discord::Discord::new(&address, &address, &"token".into(), clock);
    let storage = bench.desk.storage.clone();
    let clock = Arc::new(bench.clock.clone());
    let desk = Arc::new(Desk::new(
        storage,
        clock,
        &discord.unwrap(),
        Arc::new(Three),
    ));
    desk.operate(vec![Arc::clone(&bench.counted) as _]);
    bench.desk = desk;
    let ask = bench.ask_for(2, ChannelId::new(5));
    // The caller is gone at the first moment at which anything is waited for.
    assert!(futures_util::future::FutureExt::now_or_never(bench.desk.ask(ask)).is_none());
    let mut told = Vec::new();
    while told.len() < 5 {
        told.push(requests.recv().await.unwrap());
    }
    assert_eq!(told[0], "/api/v10/channels/5/messages");
    let opened = told
        .iter()
        .filter(|path| path.ends_with("/users/@me/channels"));
    assert_eq!(opened.count(), 2, "both others: {told:?}");
}
