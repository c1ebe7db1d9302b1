use chrono::DateTime;
use splashtail_api_types::clusters::SessionStartLimit;
use splashtail_core::clock::{Clock, ManualClock};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::accept_async;

use super::super::Session;
use super::*;
use crate::gateway::log::Limits;

/// Longer than anything here takes; only a broken test waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
const HELLO: &str = r#"{"t":null,"s":null,"op":10,"d":{"heartbeat_interval":41250}}"#;

/// A gateway that says hello, hears what is wanted and closes. Tells when each connection came.
async fn closes(code: u16, clock: &ManualClock) -> (Url, mpsc::UnboundedReceiver<Duration>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let (came, coming) = mpsc::unbounded_channel();
    let clock = clock.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let at = clock.monotonic();
            let mut socket = accept_async(stream).await.unwrap();
            socket.send(Message::text(HELLO)).await.unwrap();
            while let Some(Ok(message)) = socket.next().await {
                if message.is_text() {
                    let frame = CloseFrame {
                        code: code.into(),
                        reason: "".into(),
                    };
                    let _ = socket.close(Some(frame)).await;
                }
            }
            if came.send(at).is_err() {
                return;
            }
        }
    });
    (url.parse().unwrap(), coming)
}

/// Moves the clock on, a quarter of a second at a time, until a connection has come.
async fn next(clock: &ManualClock, coming: &mut mpsc::UnboundedReceiver<Duration>) -> Duration {
    loop {
        let step = async {
            clock.wait_for_sleepers(1).await;
            tokio::task::yield_now().await;
        };
        tokio::select! {
            biased;
            Some(at) = coming.recv() => return at,
            () = step => clock.advance(Duration::from_millis(250)),
        }
    }
}

fn shard() -> Arc<Shard> {
    let limits = Limits {
        bytes: 1,
        age: Duration::ZERO,
    };
    Arc::new(Shard::new(0, limits, Duration::ZERO).unwrap())
}

/// `starts`: sessions that may begin today.
fn upstream(gateway: Url, starts: u32, clock: &ManualClock) -> Upstream {
    let limit = SessionStartLimit {
        total: 1000,
        remaining: starts,
        reset_after: 86_400_000,
        max_concurrency: 1,
    };
    Upstream {
        token: "t".into(),
        intents: 1,
        shards: 1,
        gateway,
        budget: Arc::new(Budget::new(&limit, clock.shared())),
        retired: AtomicBool::new(false),
        clock: clock.shared(),
    }
}

/// A gateway that says hello and then nothing more, whatever it hears.
struct Forgetful {
    url: Url,
    came: mpsc::UnboundedReceiver<()>,
    heard: mpsc::UnboundedReceiver<String>,
}

impl Forgetful {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}", listener.local_addr().unwrap());
        let (comes, came) = mpsc::unbounded_channel();
        let (hears, heard) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mut socket = accept_async(stream).await.unwrap();
                socket.send(Message::text(HELLO)).await.unwrap();
                let _ = comes.send(());
                let hears = hears.clone();
                tokio::spawn(async move {
                    while let Some(Ok(message)) = socket.next().await {
                        let _ = hears.send(message.to_string());
                    }
                });
            }
        });
        let url = url.parse().unwrap();
        Self { url, came, heard }
    }

    /// Whether a connection comes within ten seconds.
    async fn meets_another(&mut self, clock: &ManualClock) -> bool {
        for _ in 0..10 {
            let came = tokio::time::timeout(Duration::from_millis(100), self.came.recv());
            if came.await.is_ok() {
                return true;
            }
            clock.advance(Duration::from_secs(1));
        }
        false
    }
}

/// A connection on which heartbeats went on was kept for ever without a session.
#[tokio::test]
async fn a_session_that_does_not_begin_is_asked_for_on_another_connection() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let mut discord = Forgetful::start().await;
    let shard = shard();
    shard.inner().session = Some(Session {
        id: "s".to_owned(),
        seq: 1,
        address: None,
    });
    let upstream = Arc::new(upstream(discord.url.clone(), 1000, &clock));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(run(Arc::clone(&shard), upstream, shutdown.clone()));
    discord.came.recv().await.unwrap();
    let resume = discord.heard.recv().await.unwrap();
    assert!(resume.contains("\"op\":6"), "{resume}");
    // The next heartbeat, and the session. Two heartbeats without an answer would take 41 s.
    clock.wait_for_sleepers(2).await;
    clock.advance(BEGIN_DEADLINE);
    assert!(discord.meets_another(&clock).await);
    assert!(shard.inner().session.is_some(), "it may go on yet");
    shutdown.cancel();
    running.await.unwrap();
}

/// While a shard waited for the day's next starts nobody noticed that its connection was dead.
#[tokio::test]
async fn a_dead_connection_is_left_while_no_session_may_begin() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let mut discord = Forgetful::start().await;
    let upstream = Arc::new(upstream(discord.url.clone(), 0, &clock));
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(run(shard(), upstream, shutdown.clone()));
    discord.came.recv().await.unwrap();
    let interval = Duration::from_millis(41_250);
    // The next heartbeat, and the next start.
    clock.wait_for_sleepers(2).await;
    clock.advance(interval);
    let beat = discord.heard.recv().await.unwrap();
    assert!(beat.contains("\"op\":1"), "{beat}");
    clock.wait_for_sleepers(2).await;
    clock.advance(interval);
    assert!(discord.meets_another(&clock).await);
    shutdown.cancel();
    running.await.unwrap();
}

/// A frame that was not taken held heartbeats and the shutdown back.
#[tokio::test]
async fn a_discord_that_takes_nothing_is_given_up() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    let stuffed = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let _socket = accept_async(stream).await.unwrap();
        std::future::pending::<()>().await;
    });
    let socket = connect(&url.parse().unwrap()).await.unwrap();
    let (sink, stream) = socket.split();
    let mut wire = Wire {
        sink,
        stream,
        unpack: None,
        clock: clock.shared(),
    };
    let frame = vec![b'x'; 1 << 20];
    let sending = async {
        loop {
            if let Err(broken) = wire.send(&frame).await {
                break broken;
            }
        }
    };
    let time = async {
        loop {
            clock.wait_for_sleepers(1).await;
            clock.advance(SEND_DEADLINE);
            tokio::task::yield_now().await;
        }
    };
    let both = async {
        tokio::select! {
            broken = sending => broken,
            () = time => Broken::Ended,
        }
    };
    let broken = tokio::time::timeout(PATIENCE, both).await.unwrap();
    assert!(matches!(broken, Broken::Stalled), "{broken:?}");
    stuffed.abort();
}

/// Discord closes each connection, with a frame: no storm of connections follows, and after three
/// the address of the session is given up.
#[tokio::test]
async fn closes_in_a_row_are_answered_with_patience() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let (own, mut to_own) = closes(4000, &clock).await;
    let (general, mut to_general) = closes(4000, &clock).await;
    let shard = shard();
    shard.inner().session = Some(Session {
        id: "s".to_owned(),
        seq: 1,
        address: Some(own),
    });
    let upstream = upstream(general, 1000, &clock);
    let shutdown = CancellationToken::new();
    let running = tokio::spawn(run(shard, Arc::new(upstream), shutdown.clone()));
    let mut came = Vec::new();
    for _ in 0..3 {
        came.push(next(&clock, &mut to_own).await);
    }
    for _ in 0..5 {
        came.push(next(&clock, &mut to_general).await);
    }
    assert!(to_own.is_empty(), "its own address was given up");
    let least = [0.75, 1.5, 3.0, 6.0, 12.0, 24.0, 45.0];
    for (pair, least) in came.windows(2).zip(least) {
        let pause = (pair[1] - pair[0]).as_secs_f64();
        assert!(pause >= least, "{pause} s after {came:?}");
    }
    shutdown.cancel();
    running.await.unwrap();
}

#[test]
fn closes_say_whether_the_session_is_kept() {
    for (code, end) in [
        (None, End::Again),
        (Some(1000), End::Again),
        (Some(4000), End::Again),
        (Some(4007), End::Fresh),
        (Some(4009), End::Fresh),
        (Some(4004), End::Refused(4004)),
        (Some(4014), End::Refused(4014)),
    ] {
        assert_eq!(End::of_close(code), end, "{code:?}");
    }
}
