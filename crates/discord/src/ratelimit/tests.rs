use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::DateTime;
use futures_util::FutureExt as _;
use http::{Method, StatusCode};
use proptest::prelude::*;
use splashtail_core::clock::{Clock as _, ManualClock};

use super::*;

const LONG: Duration = Duration::from_secs(86_400);

fn setup() -> (ManualClock, Arc<RateLimits>) {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let limits = Arc::new(RateLimits::new(clock.shared()));
    (clock, limits)
}

fn messages(channel: u64) -> Route {
    Route::new(&Method::GET, &format!("/channels/{channel}/messages"))
}

fn told(hash: &str, limit: u64, remaining: u64, reset_after: u64, ends: u64) -> Told {
    Told {
        hash: hash.into(),
        limit,
        remaining,
        reset_after: Duration::from_millis(reset_after),
        ends: Some(Duration::from_millis(ends)),
    }
}

/// The turn if it comes at once; the place is given back otherwise.
fn take<'a>(limits: &'a RateLimits, route: &Route) -> Option<Pass<'a>> {
    let standing = limits.arrive(Lane::Interactive, LONG);
    let pass = limits.turn(route, standing).now_or_never()?.ok()?;
    Some(sent(pass))
}

fn sent(mut pass: Pass<'_>) -> Pass<'_> {
    pass.sent();
    pass
}

fn wait(limits: &RateLimits, lane: Lane, longest: Duration) -> Option<Result<(), TooLong>> {
    let route = messages(1);
    let turn = limits.turn(&route, limits.arrive(lane, longest));
    Some(turn.now_or_never()?.map(drop))
}

fn ok(pass: Pass<'_>, told: &Told) {
    pass.answered(StatusCode::OK, Some(told), None);
}

fn limited(pass: Pass<'_>, seconds: u64, scope: RateLimitScope) {
    let limited = Limited {
        retry_after: Duration::from_secs(seconds),
        scope,
    };
    pass.answered(StatusCode::TOO_MANY_REQUESTS, None, Some(limited));
}

/// A bucket of five, just spent, with its reset in five seconds.
fn spent() -> (ManualClock, Arc<RateLimits>) {
    let (clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("h", 5, 0, 5000, 5000));
    (clock, limits)
}

/// Many tasks that wait, told apart by number, and who was let through so far.
struct Crowd {
    through: Arc<Mutex<Vec<usize>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
}

impl Crowd {
    /// Passes are kept, unanswered.
    async fn gather(limits: &Arc<RateLimits>, lanes: &[Lane]) -> Self {
        let through = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = Vec::new();
        for (number, lane) in lanes.iter().copied().enumerate() {
            let (limits, through) = (limits.clone(), through.clone());
            tasks.push(tokio::spawn(async move {
                let standing = limits.arrive(lane, LONG);
                let pass = limits.turn(&messages(1), standing).await.unwrap();
                through.lock().unwrap().push(number);
                std::mem::forget(sent(pass)); // under way for ever
            }));
            settle().await;
        }
        Self { through, tasks }
    }

    fn through(&self) -> Vec<usize> {
        self.through.lock().unwrap().clone()
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.tasks.iter().for_each(|task| task.abort());
    }
}

/// Lets every task that can go on do so.
async fn settle() {
    for _ in 0..16 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_spent_bucket_waits_for_its_reset() {
    let (clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("h", 2, 1, 3500, 3500));
    let _second = take(&limits, &messages(1)).unwrap();
    assert!(take(&limits, &messages(1)).is_none());
    assert!(take(&limits, &messages(2)).is_some(), "its own budget");
    clock.advance(Duration::from_millis(3499));
    assert!(take(&limits, &messages(1)).is_none());
    clock.advance(Duration::from_millis(1));
    assert!(take(&limits, &messages(1)).is_some());
}

/// The limit used to be refilled by each request that asked after the reset.
#[tokio::test]
async fn a_reset_lets_only_the_limit_through() {
    let (clock, limits) = spent();
    let crowd = Crowd::gather(&limits, &[Lane::Bulk; 50]).await;
    assert!(crowd.through().is_empty());
    clock.advance(Duration::from_secs(5));
    settle().await;
    assert_eq!(crowd.through(), [0, 1, 2, 3, 4], "in order, and no more");
    // No answer comes: the window is taken to end when the one before would have.
    clock.advance(Duration::from_secs(60));
    settle().await;
    assert_eq!(crowd.through().len(), 5, "they are still under way");
}

#[tokio::test]
async fn what_is_under_way_counts_after_the_reset_too() {
    let (clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("h", 5, 4, 1000, 1000));
    let flying: Vec<_> = (0..3)
        .map(|_| take(&limits, &messages(1)).unwrap())
        .collect();
    clock.advance(Duration::from_secs(1));
    let more: Vec<_> = (0..9).filter_map(|_| take(&limits, &messages(1))).collect();
    assert_eq!(flying.len() + more.len(), 5);
}

#[tokio::test]
async fn answers_in_any_order_give_the_whole_budget() {
    let (_clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("h", 5, 4, 1000, 1000));
    let mut flying: Vec<_> = (0..3)
        .map(|_| take(&limits, &messages(1)).unwrap())
        .collect();
    for remaining in [1, 2, 3] {
        ok(flying.pop().unwrap(), &told("h", 5, remaining, 1000, 1000));
    }
    let left: Vec<_> = (0..9).filter_map(|_| take(&limits, &messages(1))).collect();
    assert_eq!(left.len(), 1);
}

/// Discord's own clock names the window, however slow the way back was.
#[tokio::test]
async fn late_answers_do_not_refill_a_bucket() {
    let (clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("h", 5, 4, 5000, 5000));
    let flying: Vec<_> = (0..4)
        .map(|_| take(&limits, &messages(1)).unwrap())
        .collect();
    let mut flying = flying.into_iter();
    let slow = flying.next().unwrap();
    for (pass, remaining) in flying.zip([2, 1, 0]) {
        ok(pass, &told("h", 5, remaining, 5000, 5000));
    }
    clock.advance(Duration::from_secs(3));
    ok(slow, &told("h", 5, 3, 4900, 5000));
    assert!(take(&limits, &messages(1)).is_none());
}

/// What others did with the same token shows only in the answers.
#[tokio::test]
async fn others_with_the_same_token_count() {
    let (_clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("h", 5, 2, 1000, 1000));
    let left: Vec<_> = (0..9).filter_map(|_| take(&limits, &messages(1))).collect();
    assert_eq!(left.len(), 2);
}

#[tokio::test]
async fn an_unknown_route_is_asked_once_until_it_answers() {
    let (clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    assert!(take(&limits, &messages(2)).is_none());
    clock.advance(Duration::from_secs(2));
    let second = take(&limits, &messages(2)).expect("one that hangs is not waited for");
    assert!(take(&limits, &messages(3)).is_none());
    ok(first, &told("h", 3, 2, 1000, 3000));
    // The other one counts where it belongs by now.
    let others: Vec<_> = (0..9).filter_map(|_| take(&limits, &messages(2))).collect();
    assert_eq!(others.len(), 2);
    drop(others);
    ok(second, &told("h", 3, 2, 1000, 3000));
    assert_eq!(limits.load().in_flight, 0);
}

#[tokio::test]
async fn answers_without_limits_set_a_route_free() {
    let (_clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    first.answered(StatusCode::OK, None, None);
    let all: Vec<_> = (0..40)
        .filter_map(|_| take(&limits, &messages(1)))
        .collect();
    assert_eq!(all.len(), 40);
}

/// The counter of the former bucket used to stay raised for ever.
#[tokio::test]
async fn a_changed_hash_leaves_no_counter_behind() {
    let (clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("old", 5, 4, 1000, 1000));
    let flying: Vec<_> = (0..4)
        .map(|_| take(&limits, &messages(1)).unwrap())
        .collect();
    for (pass, remaining) in flying.into_iter().zip([4, 3, 2, 1]) {
        ok(pass, &told("new", 5, remaining, 1000, 1000));
    }
    assert_eq!(limits.load().in_flight, 0);
    clock.advance(Duration::from_secs(1));
    let after: Vec<_> = (0..9).filter_map(|_| take(&limits, &messages(1))).collect();
    assert_eq!(after.len(), 5, "the whole new window");
    drop(after);
    // And back: the old bucket is as good as new.
    let last = messages(2);
    let pass = take(&limits, &last).unwrap();
    ok(pass, &told("old", 5, 4, 1000, 2000));
    let after: Vec<_> = (0..9).filter_map(|_| take(&limits, &last)).collect();
    assert_eq!(after.len(), 4);
}

#[tokio::test]
async fn who_waits_follows_a_changed_hash_in_order() {
    let (clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("old", 2, 1, 1000, 1000));
    let flying = take(&limits, &messages(1)).unwrap();
    let crowd = Crowd::gather(&limits, &[Lane::Bulk; 6]).await;
    ok(flying, &told("new", 4, 1, 500, 700));
    settle().await;
    assert_eq!(crowd.through(), [0]);
    clock.advance(Duration::from_millis(500));
    settle().await;
    assert_eq!(crowd.through(), [0, 1, 2, 3], "four under way");
}

#[tokio::test]
async fn lanes_go_before_each_other() {
    let (clock, limits) = spent();
    let lanes = [
        Lane::Bulk,
        Lane::Bulk,
        Lane::Interactive,
        Lane::Containment,
        Lane::Interactive,
        Lane::Containment,
    ];
    let crowd = Crowd::gather(&limits, &lanes).await;
    clock.advance(Duration::from_secs(5));
    settle().await;
    let mut through = crowd.through();
    through.sort_unstable();
    assert_eq!(through, [0, 2, 3, 4, 5], "of the last lane only the first");
}

#[tokio::test]
async fn whoever_leaves_gives_the_place_back() {
    let (clock, limits) = spent();
    let crowd = Crowd::gather(&limits, &[Lane::Bulk; 9]).await;
    for gone in [0, 1, 3] {
        crowd.tasks[gone].abort();
    }
    settle().await;
    assert_eq!(limits.load().waiting, 6);
    clock.advance(Duration::from_secs(5));
    settle().await;
    assert_eq!(crowd.through(), [2, 4, 5, 6, 7]);

    let (_clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("h", 2, 1, 1000, 1000));
    take(&limits, &messages(1)).unwrap().not_sent();
    let again = take(&limits, &messages(1)).expect("nothing was sent");
    drop(again);
    assert!(
        take(&limits, &messages(1)).is_none(),
        "Discord may have counted it"
    );
    assert_eq!(limits.load().in_flight, 0);
}

#[tokio::test]
async fn long_lines_are_known_from_the_place() {
    let (_clock, limits) = spent();
    let crowd = Crowd::gather(&limits, &[Lane::Bulk; 12]).await;
    // Five go at 5 s, five at 10 s, and this is the thirteenth: 15 s.
    let refused = wait(&limits, Lane::Bulk, Duration::from_secs(14)).unwrap();
    assert_eq!(
        refused.unwrap_err(),
        TooLong {
            retry_after: Duration::from_secs(15),
            scope: RateLimitScope::User
        }
    );
    let ready = wait(&limits, Lane::Bulk, Duration::from_secs(15));
    assert_eq!(ready, None, "it stands in line");
    let urgent = wait(&limits, Lane::Containment, Duration::from_secs(5));
    assert_eq!(urgent, None, "nobody is before it");
    assert!(crowd.through().is_empty());
    assert_eq!(limits.load().waiting, 12);
}

#[tokio::test]
async fn patience_ends_when_the_line_is_slower_than_thought() {
    let (clock, limits) = spent();
    let crowd = Crowd::gather(&limits, &[Lane::Bulk; 5]).await;
    let waiting = limits.clone();
    let last = tokio::spawn(async move {
        let standing = waiting.arrive(Lane::Bulk, Duration::from_secs(12));
        waiting.turn(&messages(1), standing).await.map(drop)
    });
    clock.wait_for_sleepers(6).await;
    clock.advance(Duration::from_secs(5));
    settle().await;
    assert_eq!(crowd.through().len(), 5);
    clock.advance(Duration::from_secs(7));
    let late = last.await.unwrap().unwrap_err();
    assert!(!late.retry_after.is_zero());
}

#[tokio::test]
async fn a_global_limit_holds_everything_and_ends_with_one() {
    let (clock, limits) = setup();
    let pass = take(&limits, &messages(1)).unwrap();
    ok(pass, &told("h", 50, 49, 60_000, 60_000));
    let pass = take(&limits, &messages(2)).unwrap();
    limited(pass, 2, RateLimitScope::Global);
    let crowd = Crowd::gather(&limits, &[Lane::Bulk, Lane::Bulk, Lane::Containment]).await;
    let refused = wait(&limits, Lane::Bulk, Duration::from_secs(1)).unwrap();
    assert_eq!(refused.unwrap_err().scope, RateLimitScope::Global);
    clock.advance(Duration::from_secs(2));
    settle().await;
    assert_eq!(crowd.through(), [2], "the most urgent finds out");
    clock.advance(Duration::from_secs(2));
    settle().await;
    assert_eq!(crowd.through(), [2, 0], "one that hangs is not waited for");
}

#[tokio::test]
async fn a_good_answer_ends_a_global_limit() {
    let (clock, limits) = setup();
    let pass = take(&limits, &messages(1)).unwrap();
    limited(pass, 2, RateLimitScope::Global);
    clock.advance(Duration::from_secs(2));
    let probe = take(&limits, &messages(1)).unwrap();
    assert!(take(&limits, &messages(2)).is_none());
    probe.answered(StatusCode::OK, None, None);
    assert!(take(&limits, &messages(2)).is_some());
}

#[tokio::test]
async fn a_limit_that_no_header_tells_holds_one_bucket() {
    for scope in [RateLimitScope::User, RateLimitScope::Shared] {
        let (clock, limits) = setup();
        let pass = take(&limits, &messages(1)).unwrap();
        limited(pass, 2, scope);
        assert!(take(&limits, &messages(1)).is_none());
        assert!(take(&limits, &messages(2)).is_some());
        let crowd = Crowd::gather(&limits, &[Lane::Bulk; 5]).await;
        clock.advance(Duration::from_secs(2));
        settle().await;
        assert_eq!(
            crowd.through(),
            [0],
            "then one finds out whether it is over"
        );
    }
}

#[tokio::test]
async fn refusals_stop_long_before_discord_does() {
    let (clock, limits) = setup();
    for _ in 0..REFUSALS {
        let pass = take(&limits, &messages(1)).unwrap();
        pass.answered(StatusCode::FORBIDDEN, None, None);
    }
    let refused = wait(&limits, Lane::Interactive, LONG).unwrap().unwrap_err();
    assert_eq!(refused.scope, RateLimitScope::Refusals);
    assert_eq!(refused.retry_after, Duration::from_secs(600));
    assert_eq!(wait(&limits, Lane::Containment, LONG), Some(Ok(())));
    clock.advance(Duration::from_secs(600));
    assert_eq!(wait(&limits, Lane::Interactive, LONG), Some(Ok(())));
}

#[tokio::test]
async fn lines_and_buckets_are_bounded() {
    let (clock, limits) = setup();
    let pass = take(&limits, &messages(1)).unwrap();
    ok(pass, &told("h", 5, 4, 1000, 1000));
    for channel in 0..10_000 {
        let pass = take(&limits, &messages(channel + 10)).unwrap();
        ok(
            pass,
            &told("h", 5, 4, 1000, clock.monotonic().as_millis() as u64 + 1000),
        );
        clock.advance(Duration::from_millis(2));
    }
    assert!(limits.load().buckets <= 4096, "{:?}", limits.load());

    let pass = take(&limits, &messages(1)).unwrap();
    ok(pass, &told("h", 5, 0, 90_000, 900_000));
    let turns: Vec<_> = (0..MOST_WAITING)
        .map(|_| {
            let limits = &limits;
            let standing = limits.arrive(Lane::Bulk, Duration::MAX);
            let mut turn =
                Box::pin(async move { limits.turn(&messages(1), standing).await.is_ok() });
            assert!(turn.as_mut().now_or_never().is_none());
            turn
        })
        .collect();
    let refused = wait(&limits, Lane::Interactive, LONG).unwrap().unwrap_err();
    assert_eq!(refused.scope, RateLimitScope::Line);
    assert_eq!(wait(&limits, Lane::Containment, LONG), None);
    drop(turns);
    assert_eq!(limits.load().waiting, 0);
}

/// The turn of a call that has to wait for something else, which never comes.
type Held<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Pass<'a>, TooLong>> + 'a>>;

/// Calls that each have a place if there is one.
fn holding<'a>(limits: &'a RateLimits, route: &'a Route, lanes: &[Lane]) -> Vec<Held<'a>> {
    let held = lanes.iter().map(move |lane| {
        let standing = limits.arrive(*lane, LONG);
        let next = || std::future::pending::<Result<(), TooLong>>();
        let mut turn: Held<'a> = Box::pin(limits.turn_and(route, standing, next));
        assert!(turn.as_mut().now_or_never().is_none());
        turn
    });
    held.collect()
}

fn load(limits: &RateLimits) -> (usize, usize) {
    let load = limits.load();
    (load.waiting, load.in_flight)
}

/// Jobs that waited for their second kept all places of a bucket, and a ban stood behind them.
#[tokio::test]
async fn a_place_that_is_not_used_makes_way_for_what_is_more_urgent() {
    let (clock, limits) = spent();
    clock.advance(Duration::from_secs(5));
    let route = messages(1);
    let lanes = [
        Lane::Bulk,
        Lane::Bulk,
        Lane::Interactive,
        Lane::Bulk,
        Lane::Bulk,
    ];
    let mut held = holding(&limits, &route, &lanes);
    assert_eq!(load(&limits), (0, 5));
    assert_eq!(wait(&limits, Lane::Bulk, LONG), None, "no better claim");
    let ban = |lane| {
        limits
            .turn(&route, limits.arrive(lane, LONG))
            .now_or_never()
    };
    let bans: Vec<_> = (0..4)
        .map(|_| sent(ban(Lane::Containment).unwrap().unwrap()))
        .collect();
    assert_eq!(load(&limits), (4, 5), "jobs stand in line again");
    let last = sent(ban(Lane::Containment).unwrap().unwrap());
    assert_eq!(load(&limits), (5, 5), "then whoever somebody waits for");
    assert!(ban(Lane::Containment).is_none(), "all places are used");
    // What was sent leaves no room before the reset.
    drop(bans);
    for turn in &mut held {
        assert!(turn.as_mut().now_or_never().is_none());
    }
    assert_eq!(load(&limits).0, 5);
    drop((last, held));
    assert_eq!(load(&limits), (0, 0));
}

#[tokio::test]
async fn a_place_that_outlived_its_window_makes_way_too() {
    let (clock, limits) = spent();
    clock.advance(Duration::from_secs(5));
    let route = messages(1);
    let _held = holding(&limits, &route, &[Lane::Bulk; 5]);
    // Later than the end that its window is taken to have.
    clock.advance(Duration::from_secs(7));
    let urgent = limits.arrive(Lane::Containment, LONG);
    let ban = limits.turn(&route, urgent).now_or_never();
    let ban = ban.unwrap().unwrap();
    assert_eq!(load(&limits).0, 1);
    drop(ban);
}

#[tokio::test]
async fn whoever_made_way_goes_in_its_turn() {
    let (clock, limits) = setup();
    let first = take(&limits, &messages(1)).unwrap();
    ok(first, &told("h", 1, 0, 5000, 5000));
    clock.advance(Duration::from_secs(5));
    let (route, asked) = (messages(1), std::cell::Cell::new(0));
    let gate = tokio::sync::Semaphore::new(0);
    let standing = limits.arrive(Lane::Bulk, LONG);
    let mut job = Box::pin(limits.turn_and(&route, standing, || {
        asked.set(asked.get() + 1);
        async {
            let open = gate.acquire().await;
            open.map(tokio::sync::SemaphorePermit::forget).unwrap();
            Ok::<_, TooLong>(())
        }
    }));
    assert!(job.as_mut().now_or_never().is_none());
    let urgent = limits.arrive(Lane::Containment, LONG);
    let ban = limits.turn(&route, urgent).now_or_never().unwrap().unwrap();
    gate.add_permits(1);
    // Whatever else it waited for: without its place it does not go.
    assert!(job.as_mut().now_or_never().is_none());
    ok(sent(ban), &told("h", 1, 0, 5000, 10_000));
    assert!(job.as_mut().now_or_never().is_none());
    clock.advance(Duration::from_secs(5));
    gate.add_permits(1);
    let job = job.await.unwrap();
    assert_eq!(asked.get(), 2);
    ok(sent(job), &told("h", 1, 0, 5000, 15_000));
    assert_eq!(load(&limits), (0, 0));
}

/// Whoever had a place before a 429 used to go in spite of it.
#[tokio::test]
async fn after_a_429_nobody_has_a_place() {
    for (scope, rest) in [
        (RateLimitScope::User, (2, 1)),
        (RateLimitScope::Global, (3, 0)),
    ] {
        let (clock, limits) = spent();
        let other = take(&limits, &messages(2)).unwrap();
        ok(other, &told("h", 5, 4, 60_000, 60_000));
        clock.advance(Duration::from_secs(5));
        let (here, there) = (messages(1), messages(2));
        let first = take(&limits, &here).unwrap();
        let _held = holding(&limits, &here, &[Lane::Containment, Lane::Bulk]);
        let _elsewhere = holding(&limits, &there, &[Lane::Bulk]);
        assert_eq!(load(&limits), (0, 4));
        limited(first, 3, scope);
        assert_eq!(load(&limits), rest, "{scope:?}");
    }
}

/// The first call after a global limit used to hold everything back while it waited for its second.
#[tokio::test]
async fn who_finds_out_about_the_global_limit_makes_way() {
    let (clock, limits) = spent();
    let pass = take(&limits, &messages(2)).unwrap();
    limited(pass, 2, RateLimitScope::Global);
    clock.advance(Duration::from_secs(5));
    let route = messages(1);
    let _job = holding(&limits, &route, &[Lane::Bulk]);
    assert_eq!(wait(&limits, Lane::Bulk, LONG), None, "one finds out");
    let other = messages(3);
    let urgent = limits.arrive(Lane::Containment, LONG);
    let ban = limits.turn(&other, urgent).now_or_never();
    assert!(ban.is_some_and(|ban| ban.is_ok()));
}

/// A Discord with one fixed window, which starts with the first request after the last one.
#[derive(Debug, Default)]
struct Server {
    used: u64,
    ends: Duration,
    refused: u32,
}

impl Server {
    fn serve(&mut self, limit: u64, window: Duration, now: Duration) -> (bool, Told) {
        if now >= self.ends {
            (self.used, self.ends) = (0, now + window);
        }
        self.used += 1;
        let served = self.used <= limit;
        self.refused += u32::from(!served);
        let told = Told {
            hash: "h".into(),
            limit,
            remaining: limit.saturating_sub(self.used),
            reset_after: self.ends - now,
            ends: Some(self.ends),
        };
        (served, told)
    }
}

#[derive(Debug, Clone)]
struct Call {
    arrives: u64,
    lane: Lane,
    there: u64,
    back: u64,
    /// The caller gives up after so long.
    gives_up: Option<u64>,
}

fn calls() -> impl Strategy<Value = Vec<Call>> {
    let lane = prop_oneof![
        Just(Lane::Containment),
        Just(Lane::Interactive),
        Just(Lane::Bulk)
    ];
    let call = (
        0..4000_u64,
        lane,
        0..700_u64,
        0..700_u64,
        prop::option::weighted(0.2, 0..6000_u64),
    );
    let call = call.prop_map(|(arrives, lane, there, back, gives_up)| Call {
        arrives,
        lane,
        there,
        back,
        gives_up,
    });
    prop::collection::vec(call, 1..40).prop_map(|mut calls| {
        // Nothing is known about a limit before its first answer.
        (calls[0].arrives, calls[0].gives_up) = (0, None);
        calls
    })
}

/// One call in one run.
#[derive(Debug, Clone, Copy)]
struct Turn {
    place: (Lane, Ticket),
    arrived: Duration,
    went: Option<Duration>,
    done: bool,
}

/// Whoever had to wait while one that is behind them went.
fn overtaken(turns: &[Turn]) -> Vec<(Turn, Turn)> {
    let mut found = Vec::new();
    for first in turns {
        for second in turns {
            if let (Some(went), Some(later)) = (second.went, first.went)
                && first.place < second.place
                && first.arrived < went
                && went < later
            {
                found.push((*first, *second));
            }
        }
    }
    found
}

/// `lends`: each waits for something else, too, before it goes.
async fn run(limit: u64, window: u64, calls: Vec<Call>, lends: bool) -> (Server, Vec<Turn>, Load) {
    let (clock, limits) = setup();
    let server = Arc::new(Mutex::new(Server::default()));
    let turns = Arc::new(Mutex::new(BTreeMap::new()));
    let window = Duration::from_millis(window);
    let mut tasks = Vec::new();
    for call in calls {
        let (clock, limits) = (clock.clone(), limits.clone());
        let (server, turns) = (server.clone(), turns.clone());
        tasks.push(tokio::spawn(async move {
            clock.sleep(Duration::from_millis(call.arrives)).await;
            let standing = limits.arrive(call.lane, LONG);
            let ticket = standing.ticket;
            let turn = Turn {
                place: (call.lane, ticket),
                arrived: clock.monotonic(),
                went: None,
                done: false,
            };
            turns.lock().unwrap().insert(ticket, turn);
            let change = |change: &dyn Fn(&mut Turn)| {
                turns.lock().unwrap().entry(ticket).and_modify(change);
            };
            let exchange = async {
                let pass = match lends {
                    false => limits.turn(&messages(1), standing).await.unwrap(),
                    true => {
                        // With both ways shorter than what a first call is waited for.
                        let pause = Duration::from_millis(call.back / 2);
                        let next = || async {
                            clock.sleep(pause).await;
                            Ok::<_, TooLong>(())
                        };
                        let pass = limits.turn_and(&messages(1), standing, next).await;
                        pass.unwrap()
                    }
                };
                change(&|turn| turn.went = Some(clock.monotonic()));
                let pass = sent(pass);
                clock.sleep(Duration::from_millis(call.there)).await;
                let (served, told) = server
                    .lock()
                    .unwrap()
                    .serve(limit, window, clock.monotonic());
                clock.sleep(Duration::from_millis(call.back)).await;
                let status = if served { 200 } else { 429 };
                let status = StatusCode::from_u16(status).unwrap();
                let retry_after = told.reset_after;
                let scope = RateLimitScope::User;
                let limited = (!served).then_some(Limited { retry_after, scope });
                pass.answered(status, Some(&told), limited);
            };
            match call.gives_up {
                None => exchange.await,
                Some(after) => tokio::select! {
                    () = exchange => {}
                    () = clock.sleep(Duration::from_millis(after)) => {}
                },
            }
            change(&|turn| turn.done = true);
        }));
    }
    settle().await;
    // Forty calls one by one, each with a window and both ways, are over by then.
    for _ in 0..40_000 {
        if tasks.iter().all(|task| task.is_finished()) {
            break;
        }
        clock.advance(Duration::from_millis(10));
        settle().await;
    }
    tasks.iter().for_each(|task| task.abort());
    let load = limits.load();
    let server = std::mem::take(&mut *server.lock().unwrap());
    let turns = turns.lock().unwrap().values().copied().collect();
    (server, turns, load)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 20, ..Default::default() })]

    /// Never more than the limit in a window of Discord's, in order, nothing stuck, nothing left.
    #[test]
    fn windows_hold_and_everybody_is_served(
        limit in 1..8_u64,
        window in 250..3000_u64,
        calls in calls(),
    ) {
        let count = calls.len();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (server, turns, load) = runtime.block_on(run(limit, window, calls, false));
        prop_assert_eq!(server.refused, 0);
        let overtaken = overtaken(&turns);
        prop_assert!(overtaken.is_empty(), "{:?}", overtaken);
        prop_assert_eq!(turns.iter().filter(|turn| turn.done).count(), count);
        prop_assert_eq!((load.waiting, load.in_flight), (0, 0));
    }

    /// The same where places are lent and taken back, but for the order: who waits longer for
    /// something else goes later.
    #[test]
    fn windows_hold_where_places_are_lent(
        limit in 1..8_u64,
        window in 250..3000_u64,
        calls in calls(),
    ) {
        let count = calls.len();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (server, turns, load) = runtime.block_on(run(limit, window, calls, true));
        prop_assert_eq!(server.refused, 0);
        prop_assert_eq!(turns.iter().filter(|turn| turn.done).count(), count);
        prop_assert_eq!((load.waiting, load.in_flight), (0, 0));
    }
}

/// Nothing about a budget outlives the process: the first answer of each bucket tells it.
#[tokio::test]
async fn a_later_process_knows_the_buckets_and_no_budgets() {
    let (_clock, limits) = setup();
    let pass = take(&limits, &messages(1)).unwrap();
    ok(pass, &told("h", 5, 4, 5000, 5000));
    let learned = limits.learned();
    assert_eq!(learned.len(), 1);
    assert_eq!(learned[0].hash.as_deref(), Some("h"));
    let (_clock, later) = setup();
    later.remember(learned);
    let first = take(&later, &messages(1)).unwrap();
    assert!(take(&later, &messages(1)).is_none(), "one finds out");
    let other = take(&later, &messages(2)).unwrap();
    ok(first, &told("h", 5, 1, 5000, 5000));
    assert!(take(&later, &messages(1)).is_some(), "one is left");
    assert!(take(&later, &messages(1)).is_none());
    drop(other);
}

#[test]
fn lanes_have_names() {
    for lane in [Lane::Containment, Lane::Interactive, Lane::Bulk] {
        assert_eq!(Lane::of_name(lane.name()), Some(lane));
    }
    assert_eq!(Lane::of_name("urgent"), None);
}
