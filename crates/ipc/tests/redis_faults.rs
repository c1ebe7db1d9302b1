//! What callers notice of a Redis that restarts, refuses or is full.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use splashtail_core::clock::{Clock, ManualClock, SystemClock};
use splashtail_core::config::BusTarget;
use splashtail_ipc::bus::{self, BusError};
use splashtail_ipc::cache::{self, Cache, CacheError};
use splashtail_ipc::redis::RedisFault;
use splashtail_ipc::signing::{ReplayCache, Signer, Verifier, tag};

const MINUTE: Duration = Duration::from_secs(60);

/// A Redis of the test's own, on a socket in a directory of the test's own.
struct Redis {
    directory: tempfile::TempDir,
    child: Child,
}

impl Redis {
    async fn start(arguments: &[&str]) -> Self {
        let directory = tempfile::tempdir_in("/tmp").unwrap();
        let child = spawn(directory.path(), arguments);
        let redis = Self { directory, child };
        redis.listening().await;
        redis
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    async fn listening(&self) {
        let listening = async {
            while tokio::net::UnixStream::connect(self.socket())
                .await
                .is_err()
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(MINUTE, listening).await.unwrap();
    }

    fn target(&self, password: &str) -> BusTarget {
        let mut url = format!("redis+unix://{}", self.socket().display());
        if !password.is_empty() {
            url.push_str("?pass=");
            url.push_str(password);
        }
        BusTarget::Redis(url.into())
    }

    fn cache(&self, password: &str) -> Arc<dyn Cache> {
        cache::connect(&self.target(password), SystemClock::shared()).unwrap()
    }

    /// As an operator does, on a connection of its own.
    async fn ask<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let url = format!("redis+unix://{}", self.socket().display());
        let client = redis::Client::open(url).unwrap();
        let mut connection = client.get_multiplexed_async_connection().await.unwrap();
        let mut asked = redis::cmd(command[0]);
        asked.arg(&command[1..]);
        asked.query_async(&mut connection).await.unwrap()
    }

    /// Ends it as a crash does; what it knew is gone.
    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    async fn restart(&mut self, arguments: &[&str]) {
        self.kill();
        self.child = spawn(self.directory.path(), arguments);
        self.listening().await;
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(directory: &Path, arguments: &[&str]) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--save", "", "--unixsocket", "redis.sock"])
        .args(arguments)
        .current_dir(directory)
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// Each first use after a restart used to fail.
#[tokio::test]
#[ignore = "needs redis-server"] // `make test` installs it and runs this too
async fn a_restart_costs_no_call() {
    let mut redis = Redis::start(&[]).await;
    let cache = redis.cache("");
    let bus = bus::connect(&redis.target(""), "test").unwrap();
    cache.set("a", "1", MINUTE).await.unwrap();
    bus.publish("test", "1").await.unwrap();
    for round in 0..4 {
        redis.restart(&[]).await;
        // A different call is the first each time.
        match round {
            0 => assert_eq!(cache.get("a").await.unwrap(), None),
            1 => assert!(cache.claim("a", MINUTE).await.unwrap()),
            2 => assert_eq!(cache.take("a").await.unwrap(), None),
            _ => assert_eq!(cache.incr_window("n", MINUTE).await.unwrap().count, 1),
        }
        bus.publish("test", "1").await.unwrap();
        bus.append_log("test/actlogs", "1", 5).await.unwrap();
    }
}

#[tokio::test]
#[ignore = "needs redis-server"] // `make test` installs it and runs this too
async fn idle_connections_that_redis_closed_cost_no_call() {
    let redis = Redis::start(&[]).await;
    let (cache, other) = (redis.cache(""), redis.cache(""));
    assert!(cache.claim("a", MINUTE).await.unwrap());
    let killed: i64 = redis.ask(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert_eq!(killed, 1);
    assert!(!cache.claim("a", MINUTE).await.unwrap());
    assert!(other.claim("b", MINUTE).await.unwrap());
}

/// The password is named, and noticed when it is mended.
#[tokio::test]
#[ignore = "needs redis-server"] // `make test` installs it and runs this too
async fn a_wrong_password_is_told_apart_and_not_for_ever() {
    let mut redis = Redis::start(&["--requirepass", "right"]).await;
    for password in ["wrong", ""] {
        let error = redis.cache(password).check().await.unwrap_err();
        assert!(
            matches!(error, CacheError::Redis(RedisFault::Credentials(_))),
            "{error:?}"
        );
        assert!(error.to_string().contains("`meta.redis_url`"), "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
    let bus = bus::connect(&redis.target("wrong"), "test").unwrap();
    let error = bus.check().await.unwrap_err();
    assert!(matches!(error, BusError::Redis(RedisFault::Credentials(_))));
    let cache = redis.cache("wrong");
    cache.check().await.unwrap_err();
    redis.restart(&["--requirepass", "wrong"]).await;
    // A failure is told again for a moment, and Redis may start in less.
    let mended = async {
        while cache.check().await.is_err() || bus.check().await.is_err() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(MINUTE, mended).await.unwrap();
}

#[tokio::test]
#[ignore = "needs redis-server"] // `make test` installs it and runs this too
async fn a_full_redis_and_a_replica_are_told_apart() {
    let redis = Redis::start(&["--maxmemory", "1"]).await;
    let cache = redis.cache("");
    let full = |error: &CacheError| matches!(error, CacheError::Redis(RedisFault::OutOfMemory(_)));
    assert!(full(&cache.check().await.unwrap_err()));
    assert!(
        full(&cache.claim("a", MINUTE).await.unwrap_err()),
        "in a script"
    );
    let bus = bus::connect(&redis.target(""), "test").unwrap();
    let error = bus.append_log("test/actlogs", "1", 5).await.unwrap_err();
    assert!(
        matches!(error, BusError::Redis(RedisFault::OutOfMemory(_))),
        "in a transaction: {error:?}"
    );
    bus.check().await.unwrap();

    let replica = Redis::start(&["--replicaof", "127.0.0.1", "1"]).await;
    let error = replica.cache("").check().await.unwrap_err();
    assert!(
        matches!(error, CacheError::Redis(RedisFault::ReadOnly(_))),
        "{error:?}"
    );
}

/// A call captured before used to pass once more, whether Redis came back with nothing, with an
/// older snapshot, or with a marker of its own in that snapshot.
#[tokio::test]
#[ignore = "needs redis-server"] // `make test` installs it and runs this too
async fn a_call_taken_before_redis_lost_its_last_writes_is_to_be_signed_again() {
    for snapshot in [false, true] {
        let mut redis = Redis::start(&[]).await;
        let clock = ManualClock::new(SystemClock.now());
        let secrets = BTreeMap::from([("api".to_owned(), "secret".into())]);
        let verifier = Verifier::new(secrets, tag::JOBSERVER, false, clock.shared())
            .with_replay_cache(ReplayCache::new(redis.cache("")));
        let code = async |call: &Parts| match verifier.verify(call, b"").await {
            Ok(_) => "ok",
            Err(error) => error.code(),
        };
        assert_eq!(code(&signed(&clock)).await, "sign_again", "it begins");
        // As if that were long ago.
        let marker: String = redis.ask(&["GET", "claims:since"]).await;
        let (run, since) = marker.split_once(' ').unwrap();
        let marker = format!("{run} {}", since.parse::<i64>().unwrap() - 100);
        let _: String = redis.ask(&["SET", "claims:since", &marker]).await;
        if snapshot {
            let _: String = redis.ask(&["SAVE"]).await;
        }
        let call = signed(&clock);
        assert_eq!(code(&call).await, "ok");
        assert_eq!(code(&call).await, "replayed_nonce");
        redis.restart(&[]).await;
        let restored: Option<String> = redis.ask(&["GET", "claims:since"]).await;
        assert_eq!(restored, snapshot.then_some(marker));
        assert_eq!(code(&call).await, "sign_again", "snapshot: {snapshot}");
    }
}

fn signed(clock: &ManualClock) -> Parts {
    let signer = Signer::new("api", "secret".into(), tag::JOBSERVER, clock.shared());
    let mut request = http::Request::get("/");
    for (name, value) in signer.headers("GET", "/", None, b"").unwrap() {
        request = request.header(name, value);
    }
    request.body(()).unwrap().into_parts().0
}

#[tokio::test]
#[ignore = "needs redis-server"] // `make test` installs it and runs this too
async fn a_redis_that_is_gone_is_named() {
    let mut redis = Redis::start(&[]).await;
    let cache = redis.cache("");
    cache.check().await.unwrap();
    redis.kill();
    let error = cache.check().await.unwrap_err();
    assert!(
        matches!(error, CacheError::Redis(RedisFault::Unreachable(_))),
        "{error:?}"
    );
    assert!(error.to_string().contains("is it running"), "{error}");
}
