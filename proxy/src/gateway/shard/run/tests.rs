use chrono::DateTime;
use splashtail_api_types::clusters::SessionStartLimit;
use splashtail_core::clock::{Clock, ManualClock};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_tungstenite::accept_async;

use super::super::Session;
use super::*;
use crate::gateway::log::Limits;

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

/// Discord closes each connection, with a frame: no storm of connections follows, and after three
/// the address of the session is given up.
#[tokio::test]
async fn closes_in_a_row_are_answered_with_patience() {
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let (own, mut to_own) = closes(4000, &clock).await;
    let (general, mut to_general) = closes(4000, &clock).await;
    let limits = Limits {
        bytes: 1,
        age: Duration::ZERO,
    };
    let shard = Arc::new(Shard::new(0, limits, Duration::ZERO).unwrap());
    shard.inner().session = Some(Session {
        id: "s".to_owned(),
        seq: 1,
        address: Some(own),
    });
    let limit = SessionStartLimit {
        total: 1000,
        remaining: 1000,
        reset_after: 0,
        max_concurrency: 1,
    };
    let upstream = Upstream {
        token: "t".into(),
        intents: 1,
        shards: 1,
        gateway: general,
        budget: Arc::new(Budget::new(&limit, clock.shared())),
        retired: AtomicBool::new(false),
        clock: clock.shared(),
    };
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
