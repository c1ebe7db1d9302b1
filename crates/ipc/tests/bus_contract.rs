//! One contract, two buses.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use splashtail_core::config::BusTarget;
use splashtail_ipc::bus::{self, Bus, BusError, BusMessage, Subscription};
use splashtail_ipc::hub::{Hub, HubError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

const MAIN: &str = "ar_clusters/test";

async fn next(subscription: &mut Subscription) -> BusMessage {
    tokio::time::timeout(Duration::from_secs(90), subscription.next_message())
        .await
        .expect("a message in time")
        .expect("the subscription goes on")
}

fn message(channel: &str, payload: &str) -> BusMessage {
    BusMessage {
        channel: channel.to_owned(),
        payload: payload.to_owned(),
    }
}

/// `connect` gives independent clients of one bus on which nobody else talks. `prefix` keeps
/// channels of concurrent runs apart.
async fn bus_contract(connect: impl Fn() -> Arc<dyn Bus>, main: &str) {
    let (alice, bob) = (connect(), connect());
    let mailbox = format!("{main}:0");

    // Messages reach every subscriber of their channel, the sender's own included, in order.
    let mut everything = alice
        .subscribe(&[main.to_owned(), mailbox.clone()])
        .await
        .unwrap();
    let mut only_main = bob.subscribe(&[main.to_owned()]).await.unwrap();
    assert!(*everything.connected().borrow());
    bob.publish(&mailbox, r#"{"for":"cluster 0"}"#)
        .await
        .unwrap();
    alice.publish(main, r#"{"n":1}"#).await.unwrap();
    assert_eq!(
        next(&mut everything).await,
        message(&mailbox, r#"{"for":"cluster 0"}"#)
    );
    assert_eq!(next(&mut everything).await, message(main, r#"{"n":1}"#));
    assert_eq!(next(&mut only_main).await, message(main, r#"{"n":1}"#));

    // Text arrives as it was sent, digits and key order included; what could be mistaken for
    // framing too.
    for payload in [
        r#"{"z":1,"a":12345678901234567890.5}"#,
        r#"{"subscribe":["x"]}"#,
        r#"{"channel":"x","message":1}"#,
        r#""text""#,
        "[1, 2]",
        "7",
    ] {
        alice.publish(main, payload).await.unwrap();
        assert_eq!(next(&mut only_main).await, message(main, payload));
        assert_eq!(next(&mut everything).await, message(main, payload));
    }

    // Large messages pass, too large ones and text that is not JSON are refused.
    let large = format!("\"{}\"", "x".repeat(900_000));
    alice.publish(main, &large).await.unwrap();
    assert_eq!(next(&mut only_main).await.payload.len(), large.len());
    let too_large = format!("\"{}\"", "x".repeat(1_100_000));
    assert!(matches!(
        alice.publish(main, &too_large).await,
        Err(BusError::TooLarge(_))
    ));
    assert!(matches!(
        alice.publish(main, "hello").await,
        Err(BusError::NotJson(_))
    ));
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(matches!(
        alice.publish(main, &nested(20_000)).await,
        Err(BusError::TooDeep(20_000))
    ));
    let deep = nested(126);
    alice.publish(main, &deep).await.unwrap();
    assert_eq!(next(&mut only_main).await.payload, deep);
    assert_eq!(next(&mut everything).await.payload.len(), large.len());
    assert_eq!(next(&mut everything).await.payload, deep);
    alice.check().await.unwrap();

    // Many senders, nothing lost.
    let senders: Vec<_> = (0..8)
        .map(|sender| {
            let (bus, main) = (connect(), main.to_owned());
            tokio::spawn(async move {
                for n in 0..50 {
                    bus.publish(&main, &format!("{{\"n\":{},\"of\":{sender}}}", n))
                        .await
                        .unwrap();
                }
            })
        })
        .collect();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..400 {
        seen.insert(next(&mut only_main).await.payload);
    }
    assert_eq!(seen.len(), 400);
    for sender in senders {
        sender.await.unwrap();
    }

    // The action log keeps the newest entries, oldest first.
    let key = format!("{main}/actlogs");
    assert_eq!(bob.read_log(&key).await.unwrap(), Vec::<String>::new());
    for n in 0..5 {
        alice
            .append_log(&key, &format!("{{\"event\":\"e\",\"ts\":{n}}}"), 3)
            .await
            .unwrap();
    }
    let entries = bob.read_log(&key).await.unwrap();
    assert_eq!(
        entries,
        (2..5)
            .map(|n| format!("{{\"event\":\"e\",\"ts\":{n}}}"))
            .collect::<Vec<_>>()
    );
    assert!(matches!(
        alice.append_log(&key, "no", 3).await,
        Err(BusError::NotJson(_))
    ));
}

/// Its socket stays where it is, as a peer that is not ours expects.
fn short_directory() -> tempfile::TempDir {
    tempfile::tempdir_in("/tmp").unwrap()
}

struct Running {
    path: std::path::PathBuf,
    shutdown: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    directory: tempfile::TempDir,
}

impl Running {
    fn start(directory: tempfile::TempDir) -> Self {
        let path = directory.path().join("bus.sock");
        let hub = Hub::bind(
            &path,
            MAIN,
            &directory.path().join("clusterer/actlogs.jsonl"),
        )
        .unwrap();
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(hub.serve(shutdown.clone()));
        Self {
            path,
            shutdown,
            task,
            directory,
        }
    }

    fn client(&self) -> Arc<dyn Bus> {
        bus::connect(&BusTarget::Hub(self.path.clone()), MAIN).unwrap()
    }

    async fn stop(self) -> tempfile::TempDir {
        self.shutdown.cancel();
        self.task.await.unwrap();
        self.directory
    }
}

#[tokio::test]
async fn bus_over_the_hub() {
    let hub = Running::start(short_directory());
    bus_contract(|| hub.client(), MAIN).await;
    hub.stop().await;
}

#[tokio::test]
#[ignore = "needs REDIS_URL"] // `make test` provides one and runs this too
async fn bus_over_redis() {
    let url = std::env::var("REDIS_URL").unwrap();
    let main = format!("test/{}", uuid::Uuid::new_v4());
    bus_contract(
        || bus::connect(&BusTarget::Redis(url.as_str().into()), &main).unwrap(),
        &main,
    )
    .await;
}

#[tokio::test]
async fn clients_find_a_hub_that_comes_late_and_one_that_comes_back() {
    let directory = short_directory();
    let target = BusTarget::Hub(directory.path().join("bus.sock"));
    let bus = bus::connect(&target, MAIN).unwrap();
    let early = tokio::spawn(async move {
        let subscription = bus.subscribe(&[MAIN.to_owned()]).await.unwrap();
        (bus, subscription)
    });
    let hub = Running::start(directory);
    let (bus, mut subscription) = early.await.unwrap();
    bus.publish(MAIN, "1").await.unwrap();
    assert_eq!(next(&mut subscription).await.payload, "1");

    let mut connected = subscription.connected();
    let directory = hub.stop().await;
    connected.wait_for(|connected| !connected).await.unwrap();
    let hub = Running::start(directory);
    connected.wait_for(|connected| *connected).await.unwrap();
    bus.publish(MAIN, "2").await.unwrap();
    assert_eq!(next(&mut subscription).await.payload, "2");
    hub.stop().await;
}

#[tokio::test]
async fn a_live_hub_is_left_alone_and_a_stale_socket_replaced() {
    let directory = short_directory();
    let path = directory.path().join("bus.sock");
    // A socket file whose server is gone.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    let hub = Running::start(directory);
    let actlogs = hub.directory.path().join("clusterer/actlogs.jsonl");
    assert!(matches!(
        Hub::bind(&path, MAIN, &actlogs),
        Err(HubError::AlreadyServed(_))
    ));
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    hub.client().publish(MAIN, "1").await.unwrap();
    let directory = hub.stop().await;
    assert!(!directory.path().join("bus.sock").exists());

    // A foreign hub that takes no lock, as mewld's own.
    let _foreign = std::os::unix::net::UnixListener::bind(&path).unwrap();
    assert!(matches!(
        Hub::bind(&path, MAIN, &actlogs),
        Err(HubError::AlreadyServed(_))
    ));
}

#[tokio::test]
async fn a_path_too_long_for_the_kernel_still_works() {
    let base = tempfile::tempdir().unwrap();
    let deep = base.path().join("d".repeat(60)).join("e".repeat(60));
    std::fs::create_dir_all(&deep).unwrap();
    let path = deep.join("bus.sock");
    let hub = Hub::bind(&path, MAIN, &deep.join("actlogs.jsonl")).unwrap();
    let shutdown = CancellationToken::new();
    let task = tokio::spawn(hub.serve(shutdown.clone()));
    let bus = bus::connect(&BusTarget::Hub(path), MAIN).unwrap();
    let mut subscription = bus.subscribe(&[MAIN.to_owned()]).await.unwrap();
    bus.publish(MAIN, "1").await.unwrap();
    assert_eq!(next(&mut subscription).await.payload, "1");
    shutdown.cancel();
    task.await.unwrap();
}

/// A peer that speaks mewld's protocol: no newline, no subscription.
#[tokio::test]
async fn mewld_peers_send_chunks_and_hear_everything_on_the_main_channel() {
    let hub = Running::start(short_directory());
    let ours = hub.client();
    let mut subscription = ours.subscribe(&[MAIN.to_owned()]).await.unwrap();
    let mut mewld = UnixStream::connect(&hub.path).await.unwrap();
    mewld
        .write_all(br#"{"scope":"launcher","action":"launch_next"}"#)
        .await
        .unwrap();
    assert_eq!(
        next(&mut subscription).await.payload,
        r#"{"scope":"launcher","action":"launch_next"}"#
    );
    let mut echo = vec![0; 200];
    let count = mewld.read(&mut echo).await.unwrap();
    assert_eq!(
        &echo[..count],
        b"{\"scope\":\"launcher\",\"action\":\"launch_next\"}\n"
    );
    // Other channels are not for it.
    ours.publish("elsewhere", "1").await.unwrap();
    ours.publish(MAIN, r#"{"diag":true}"#).await.unwrap();
    let count = mewld.read(&mut echo).await.unwrap();
    assert_eq!(&echo[..count], b"{\"diag\":true}\n");
    hub.stop().await;
}

#[tokio::test]
async fn bad_peers_cost_only_themselves() {
    let hub = Running::start(short_directory());
    let bus = hub.client();
    let mut subscription = bus.subscribe(&[MAIN.to_owned()]).await.unwrap();
    // One sends garbage, one disappears, one sends without end, one never reads.
    let mut garbage = UnixStream::connect(&hub.path).await.unwrap();
    garbage.write_all(b"\xff\xfe}{][\n").await.unwrap();
    drop(UnixStream::connect(&hub.path).await.unwrap());
    let mut endless = UnixStream::connect(&hub.path).await.unwrap();
    let megabyte = vec![b'['; 1_100_000];
    let _ = endless.write_all(b"\"").await;
    let _ = endless
        .write_all(&megabyte.iter().map(|_| b'x').collect::<Vec<_>>())
        .await;
    let _ = endless.write_all(b"x").await;
    let mut rest = Vec::new();
    let _ = endless.read_to_end(&mut rest).await;
    let deaf = UnixStream::connect(&hub.path).await.unwrap();
    let payload = format!("\"{}\"", "x".repeat(500_000));
    for _ in 0..24 {
        bus.publish(MAIN, &payload).await.unwrap();
        assert_eq!(next(&mut subscription).await.payload.len(), payload.len());
    }
    bus.publish(MAIN, "\"end\"").await.unwrap();
    assert_eq!(next(&mut subscription).await.payload, "\"end\"");
    // The deaf one was cut off: what the kernel had buffered ends.
    let mut deaf = deaf;
    let mut heard = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(90), deaf.read_to_end(&mut heard))
        .await
        .unwrap();
    assert!(heard.len() < 20_000_000, "{}", heard.len());
    drop(garbage);
    hub.stop().await;
}

/// All that a connection says after a broken line is heard.
#[tokio::test]
async fn a_line_that_is_no_json_fails_alone() {
    let hub = Running::start(short_directory());
    let mut subscription = hub.client().subscribe(&[MAIN.to_owned()]).await.unwrap();
    let mut peer = UnixStream::connect(&hub.path).await.unwrap();
    let flood = format!("{}\n{{\"after\":1}}\n", "[".repeat(20_000));
    peer.write_all(flood.as_bytes()).await.unwrap();
    assert_eq!(next(&mut subscription).await.payload, "{\"after\":1}");
    hub.stop().await;
}

/// Its readers used to be dropped instead, as soon as they fell behind.
#[tokio::test]
async fn a_flooder_is_slowed_down_to_what_its_readers_take() {
    const LINES: usize = 20_000;
    let hub = Running::start(short_directory());
    let mut reader = UnixStream::connect(&hub.path).await.unwrap();
    let flooder = UnixStream::connect(&hub.path).await.unwrap();
    let (mut echoes, mut flood) = flooder.into_split();
    let echoes = tokio::spawn(async move {
        let mut heard = [0; 4096];
        while let Ok(1..) = echoes.read(&mut heard).await {}
    });
    let line = format!("\"{}\"\n", "x".repeat(200));
    let length = line.len();
    let flood = tokio::spawn(async move {
        for _ in 0..LINES {
            flood.write_all(line.as_bytes()).await.unwrap();
        }
        flood
    });
    // Reads a little at a time and lets everybody else go first.
    let (mut heard, mut piece) = (0, vec![0; 8 * length]);
    while heard < LINES * length {
        let count = reader.read(&mut piece).await.unwrap();
        assert!(count > 0, "dropped after {heard} bytes");
        heard += count;
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
    }
    let flood = flood.await.unwrap();
    hub.client().publish(MAIN, "\"honest\"").await.unwrap();
    let count = reader.read(&mut piece).await.unwrap();
    assert_eq!(&piece[..count], b"\"honest\"\n");
    drop(flood);
    echoes.abort();
    hub.stop().await;
}

#[tokio::test]
async fn the_hub_keeps_one_log() {
    let hub = Running::start(short_directory());
    let error = hub
        .client()
        .append_log("other", "{}", 10)
        .await
        .unwrap_err();
    assert!(matches!(error, BusError::Refused(_)), "{error}");
    hub.client()
        .append_log(&format!("{MAIN}/actlogs"), "{\"event\":\"kept\"}", 10)
        .await
        .unwrap();
    let hub = Running::start(hub.stop().await);
    let entries = hub
        .client()
        .read_log(&format!("{MAIN}/actlogs"))
        .await
        .unwrap();
    assert_eq!(entries, ["{\"event\":\"kept\"}"]);
    hub.stop().await;
}

#[tokio::test]
async fn an_unreachable_hub_is_an_error_for_the_publisher() {
    let directory = short_directory();
    let bus = bus::connect(&BusTarget::Hub(directory.path().join("bus.sock")), MAIN).unwrap();
    let error = bus.check().await.unwrap_err();
    assert!(error.to_string().contains("splashtail up"), "{error}");
    assert!(bus.publish(MAIN, "1").await.is_err());
    assert!(bus::connect(&BusTarget::Redis("nonsense://x".into()), MAIN).is_err());
}

/// A way to Redis that can be cut without touching anyone else's.
struct Detour {
    address: std::net::SocketAddr,
    connections: Arc<std::sync::Mutex<Vec<tokio::task::JoinHandle<()>>>>,
}

impl Detour {
    async fn to(target: String) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(std::sync::Mutex::new(Vec::new()));
        let open = Arc::clone(&connections);
        tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                let target = target.clone();
                let copy = tokio::spawn(async move {
                    let mut server = tokio::net::TcpStream::connect(target).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
                open.lock().unwrap().push(copy);
            }
        });
        Self {
            address,
            connections,
        }
    }

    fn cut(&self) {
        self.connections
            .lock()
            .unwrap()
            .drain(..)
            .for_each(|copy| copy.abort());
    }
}

#[tokio::test]
#[ignore = "needs REDIS_URL"] // `make test` provides one and runs this too
async fn clients_survive_lost_redis_connections() {
    let mut url: url::Url = std::env::var("REDIS_URL").unwrap().parse().unwrap();
    let target = format!("{}:{}", url.host_str().unwrap(), url.port().unwrap_or(6379));
    let detour = Detour::to(target).await;
    url.set_host(Some("127.0.0.1")).unwrap();
    url.set_port(Some(detour.address.port())).unwrap();
    let main = format!("test/{}", uuid::Uuid::new_v4());
    let bus = bus::connect(&BusTarget::Redis(url.as_str().into()), &main).unwrap();
    let mut subscription = bus.subscribe(std::slice::from_ref(&main)).await.unwrap();
    bus.publish(&main, "1").await.unwrap();
    assert_eq!(next(&mut subscription).await.payload, "1");
    let mut connected = subscription.connected();
    for _ in 0..3 {
        connected.borrow_and_update();
        detour.cut();
        connected.wait_for(|connected| !connected).await.unwrap();
        connected.wait_for(|connected| *connected).await.unwrap();
        bus.publish(&main, "2").await.unwrap();
        assert_eq!(next(&mut subscription).await.payload, "2");
    }
}
