//! Discord's limits are kept, whoever calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use chrono::DateTime;
use futures_util::future::join_all;
use http::Method;
use splashtail_core::clock::{ManualClock, SystemClock};
use splashtail_discord::{Discord, DiscordError, Lane, RateLimitScope, proxied};

use crate::fake::{PATIENCE, TOKEN, bench, bench_with, limited, of_bucket, ok};

/// A bucket as Discord keeps it: windows that begin with a first request.
struct Bucket {
    limit: u64,
    window: Duration,
    began: Option<Instant>,
    used: u64,
}

impl Bucket {
    fn take(&mut self) -> axum::response::Response {
        let now = Instant::now();
        let began = match self
            .began
            .filter(|began| now.duration_since(*began) < self.window)
        {
            Some(began) => began,
            None => {
                self.used = 0;
                now
            }
        };
        self.began = Some(began);
        let left = (began + self.window)
            .saturating_duration_since(now)
            .as_secs_f64();
        if self.used >= self.limit {
            return limited("user", left);
        }
        self.used += 1;
        of_bucket(self.limit, self.limit - self.used, left)
    }
}

/// Every caller is served and Discord never has to refuse, also at the resets.
#[tokio::test]
async fn many_callers_share_buckets_without_one_429() {
    let buckets: Mutex<HashMap<String, Bucket>> = Mutex::default();
    let refused = Arc::new(Mutex::new(0));
    let counting = Arc::clone(&refused);
    let b = bench(SystemClock::shared(), move |seen, _| {
        let mut buckets = buckets.lock().unwrap();
        let bucket = buckets.entry(seen.path.clone()).or_insert(Bucket {
            limit: 5,
            window: Duration::from_millis(150),
            began: None,
            used: 0,
        });
        let answer = bucket.take();
        if answer.status() == 429 {
            *counting.lock().unwrap() += 1;
        }
        answer
    })
    .await;
    let calls = (0..120).map(|number| {
        let path = format!("/channels/{}/messages", number % 3);
        let call = b.call(Method::GET, &path);
        async move { call.send().await.unwrap().status() }
    });
    for status in join_all(calls).await {
        assert_eq!(status, 200);
    }
    assert_eq!(b.count(), 120);
    assert_eq!(*refused.lock().unwrap(), 0);
}

/// What is urgent goes before all that waits, in its bucket and in the second.
#[tokio::test]
async fn containment_goes_before_hundreds_of_jobs() {
    let change = |settings: &mut splashtail_proxy::rest::Settings| settings.per_second = 50;
    let b = bench_with(SystemClock::shared(), change, |_, _| ok()).await;
    let jobs: Vec<_> = (0..400)
        .map(|guild| {
            let call = b.call(Method::GET, &format!("/guilds/{guild}/roles"));
            tokio::spawn(call.header(proxied::PRIORITY, "bulk").send())
        })
        .collect();
    // A fifth of the second is not theirs.
    b.until_seen(40).await;
    let ban = b
        .call(Method::PUT, "/guilds/1/bans/2")
        .send()
        .await
        .unwrap();
    assert_eq!(ban.status(), 200);
    let seen = b.seen();
    let place = seen
        .iter()
        .position(|seen| seen.method == Method::PUT)
        .unwrap();
    assert!(place < 400, "after {place} of 400 jobs");
    jobs.iter().for_each(tokio::task::JoinHandle::abort);
}

/// Jobs kept all places of a bucket while they waited for their part of the second, which was spent,
/// and containment, for which there was something left of it, stood behind them.
#[tokio::test]
async fn containment_has_the_place_of_a_job_that_waits_for_its_second() {
    let change = |settings: &mut splashtail_proxy::rest::Settings| settings.per_second = 10;
    // No second ever ends.
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let b = bench_with(clock.shared(), change, |_, before| {
        of_bucket(10, 9_u64.saturating_sub(before as u64), 60.0)
    })
    .await;
    b.get("/guilds/1/roles").await;
    let jobs: Vec<_> = (0..9)
        .map(|_| {
            let call = b.call(Method::GET, "/guilds/1/roles");
            tokio::spawn(call.header(proxied::PRIORITY, "bulk").send())
        })
        .collect();
    // Eight of ten in a second are theirs, and the bucket has ten.
    b.until_seen(8).await;
    let two_wait = async || {
        let waiting = async {
            while b.rest.report().waiting != 2 || b.rest.report().in_flight > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.unwrap();
    };
    two_wait().await;
    let urgent = b.call(Method::GET, "/guilds/1/roles");
    let urgent = urgent.header(proxied::PRIORITY, "containment").send();
    let got = tokio::time::timeout(PATIENCE, urgent).await.unwrap();
    assert_eq!(got.unwrap().status(), 200);
    assert_eq!(b.count(), 9);
    // They wait as before.
    two_wait().await;
    jobs.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test]
async fn a_429_is_waited_for_here() {
    let b = bench(SystemClock::shared(), |_, before| match before {
        0 | 1 => limited("shared", 0.05),
        _ => ok(),
    })
    .await;
    let got = b
        .call(Method::POST, "/channels/1/messages")
        .body("x")
        .send();
    assert_eq!(got.await.unwrap().status(), 200);
    assert_eq!(b.count(), 3);
    assert!(b.seen().iter().all(|seen| seen.body == "x"));
    assert_eq!(
        b.rest.report().refused_in_ten_minutes,
        0,
        "shared ones are free"
    );
}

#[tokio::test]
async fn a_429_without_end_is_the_callers() {
    let b = bench(SystemClock::shared(), |_, _| limited("user", 0.01)).await;
    let got = b.get("/guilds/1").await;
    assert_eq!(got.status(), 429);
    assert_eq!(got.headers()["x-ratelimit-scope"], "user");
    assert!(!got.headers().contains_key(proxied::GENERATED));
    assert_eq!(b.count(), 4);
    assert_eq!(b.rest.report().refused_in_ten_minutes, 4);
}

#[tokio::test]
async fn who_cannot_wait_is_told_at_once_and_by_whom() {
    let b = bench(SystemClock::shared(), |_, _| of_bucket(1, 0, 3_000.0)).await;
    assert_eq!(b.get("/guilds/1").await.status(), 200);
    let call = b.call(Method::GET, "/guilds/1");
    let got = call.header(proxied::PATIENCE, "100").send().await.unwrap();
    assert_eq!(got.status(), 429);
    assert_eq!(got.headers()[proxied::GENERATED], "queue");
    let wait: u64 = got.headers()["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((2_900..=3_000).contains(&wait), "{wait}");
    // The platform's own client hears the same.
    let proxy = format!("http://{}", b.address).parse().unwrap();
    let discord = Discord::new(
        &proxy,
        &proxy,
        &TOKEN.to_owned().into(),
        SystemClock::shared(),
    );
    let discord = discord
        .unwrap()
        .behind(Some(&proxy), "test")
        .in_lane(Lane::Containment);
    let call = discord
        .get("/guilds/1")
        .longest_wait(Duration::from_secs(5));
    match call.send().await.unwrap_err() {
        DiscordError::RateLimited {
            retry_after, scope, ..
        } => {
            assert!(retry_after > Duration::from_secs(2_900));
            assert_eq!(scope, RateLimitScope::User);
        }
        error => panic!("{error}"),
    }
    assert_eq!(b.count(), 1);
}

/// Another bot's limits are its own.
#[tokio::test]
async fn tokens_have_lines_of_their_own() {
    let b = bench(SystemClock::shared(), |_, _| of_bucket(1, 0, 3_000.0)).await;
    assert_eq!(b.get("/guilds/1").await.status(), 200);
    let other = b
        .http
        .get(b.url("/guilds/1"))
        .header("authorization", "Bot other");
    assert_eq!(other.send().await.unwrap().status(), 200);
    assert_eq!(b.rest.report().tokens, 2);
}
