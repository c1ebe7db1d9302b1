use async_trait::async_trait;
use chrono::DateTime;
use serde_json::{Value, json};
use splashtail_core::clock::ManualClock;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::events::{EventKinds, Listener, Subscription};
use crate::guilds::GuildView;

const SHARD: ShardId = ShardId(1);
const KINDS: EventKinds = EventKinds::of(&[
    EventKind::GuildCreate,
    EventKind::GuildGone,
    EventKind::GuildUnavailable,
    EventKind::GuildBanAdd,
    EventKind::MessageCreate,
    EventKind::Gap,
]);

struct Tell(mpsc::UnboundedSender<Event>);

#[async_trait]
impl Listener for Tell {
    fn kinds(&self) -> EventKinds {
        KINDS
    }

    async fn on_event(&self, event: &Event, _: &GuildView) -> anyhow::Result<()> {
        self.0.send(event.clone())?;
        Ok(())
    }
}

struct Rig {
    tap: Tap,
    clock: ManualClock,
    heard: mpsc::UnboundedReceiver<Event>,
}

impl Rig {
    fn new() -> Self {
        let (sender, heard) = mpsc::unbounded_channel();
        let clock = ManualClock::new(DateTime::UNIX_EPOCH);
        let subscription = Subscription {
            module: "tell",
            listener: Arc::new(Tell(sender)),
        };
        let router = Router::start(
            vec![subscription],
            Arc::new(|_, _| true),
            Arc::default(),
            clock.shared(),
            &TaskTracker::new(),
            &CancellationToken::new(),
        );
        Self {
            tap: Tap::new(
                "ws://gateway.example".parse().unwrap(),
                router,
                clock.shared(),
            ),
            clock,
            heard,
        }
    }

    async fn see(&self, watched: &mut Watched, name: &str, seq: u64, body: Value) -> Seen {
        let frame = json!({"t": name, "s": seq, "op": 0, "d": body}).to_string();
        self.tap.see(SHARD, watched, &frame.into()).await
    }

    async fn create(&self, watched: &mut Watched, seq: u64, id: u64) {
        let body = json!({"id": id.to_string(), "roles": [], "channels": []});
        self.see(watched, "GUILD_CREATE", seq, body).await;
    }

    /// An answer to a heartbeat shows that nothing was missed until now.
    async fn beat(&self, watched: &mut Watched) {
        let beat = Bytes::from(r#"{"op":11}"#);
        self.tap.see(SHARD, watched, &beat).await;
    }

    async fn ready(&self, guilds: &[u64]) -> Watched {
        let mut watched = Watched::default();
        let guilds: Vec<_> = guilds
            .iter()
            .map(|id| json!({"id": id.to_string(), "unavailable": true}))
            .collect();
        let body = json!({"user": {"id": "5"}, "guilds": guilds, "resume_gateway_url": "ws://east.example"});
        self.see(&mut watched, "READY", 1, body).await;
        watched
    }

    async fn ban(&self, watched: &mut Watched, seq: u64) -> Seen {
        let body = json!({"guild_id": "10", "user": {"id": "7"}});
        self.see(watched, "GUILD_BAN_ADD", seq, body).await
    }

    async fn hear(&mut self) -> (&'static str, u64, Option<u64>) {
        let event = self.heard.recv().await.unwrap();
        (event.kind.label(), event.guild.get(), event.seq)
    }

    async fn gap(&mut self) -> Gap {
        let event = self.heard.recv().await.unwrap();
        event.gap().unwrap_or_else(|| panic!("no gap: {event:?}"))
    }
}

#[tokio::test]
async fn a_dispatch_goes_to_its_server_with_its_body_as_it_came() {
    let mut rig = Rig::new();
    let mut watched = rig.ready(&[10]).await;
    assert_eq!(
        rig.tap.addresses.of_session(SHARD).unwrap().as_str(),
        "ws://east.example/"
    );
    assert_eq!(rig.tap.router.guilds().own_user(), UserId::new(5));
    let frame = r#"{"t":"GUILD_BAN_ADD","s":2,"op":0,"d":{ "user":{"id":"7","guild_id":"99"}, "guild_id":"10" }}"#;
    rig.tap.see(SHARD, &mut watched, &Bytes::from(frame)).await;
    let event = rig.heard.recv().await.unwrap();
    assert_eq!(
        (event.guild.get(), event.shard, event.seq),
        (10, SHARD, Some(2))
    );
    assert_eq!(
        event.raw().unwrap(),
        br#"{ "user":{"id":"7","guild_id":"99"}, "guild_id":"10" }"#
    );
}

#[tokio::test]
async fn what_belongs_to_no_server_and_what_nobody_wants_goes_nowhere() {
    let mut rig = Rig::new();
    let mut watched = rig.ready(&[10]).await;
    rig.see(
        &mut watched,
        "MESSAGE_CREATE",
        2,
        json!({"content": "a direct message"}),
    )
    .await;
    rig.see(&mut watched, "TYPING_START", 3, json!({"guild_id": "10"}))
        .await;
    for frame in [
        r#"{"op":11}"#,
        "",
        r#"{"op":0,"t":"GUILD_BAN_ADD","s":4,"d":[]}"#,
    ] {
        rig.tap.see(SHARD, &mut watched, &Bytes::from(frame)).await;
    }
    rig.ban(&mut watched, 5).await;
    assert_eq!(rig.hear().await, ("GUILD_BAN_ADD", 10, Some(5)));
}

#[tokio::test]
async fn what_a_resumed_session_sends_again_is_told_once() {
    let mut rig = Rig::new();
    let mut watched = rig.ready(&[10]).await;
    rig.ban(&mut watched, 2).await;
    rig.ban(&mut watched, 3).await;
    rig.clock.advance(Duration::from_secs(2));
    let mut again = Watched::default();
    for seq in 2..=4 {
        rig.ban(&mut again, seq).await;
    }
    rig.see(&mut again, "RESUMED", 5, json!({})).await;
    rig.ban(&mut again, 6).await;
    for seq in [2, 3, 4, 6] {
        assert_eq!(
            rig.hear().await,
            ("GUILD_BAN_ADD", 10, Some(seq)),
            "nothing else: it was short"
        );
    }
}

#[tokio::test]
async fn gaps_are_told_before_what_comes_after_them() {
    let mut rig = Rig::new();
    let mut watched = rig.ready(&[10]).await;
    rig.create(&mut watched, 2, 10).await;
    assert_eq!(rig.hear().await, ("GUILD_CREATE", 10, Some(2)));
    rig.clock.advance(Duration::from_secs(60));
    rig.beat(&mut watched).await;

    rig.clock.advance(Duration::from_secs(20));
    let mut resumed = Watched::default();
    rig.ban(&mut resumed, 3).await;
    rig.see(&mut resumed, "RESUMED", 4, json!({})).await;
    assert_eq!(rig.hear().await, ("GUILD_BAN_ADD", 10, Some(3)));
    let lasted = Duration::from_secs(20);
    assert_eq!(
        rig.gap().await,
        Gap {
            cause: GapCause::Resumed,
            lasted
        }
    );

    rig.clock.advance(Duration::from_secs(7));
    let mut anew = rig.ready(&[10]).await;
    rig.create(&mut anew, 2, 10).await;
    rig.ban(&mut anew, 3).await;
    assert_eq!(rig.hear().await, ("GUILD_DELETE unavailable", 10, None));
    assert_eq!(
        rig.gap().await,
        Gap {
            cause: GapCause::NewSession,
            lasted: Duration::from_secs(7)
        }
    );
    assert_eq!(rig.hear().await, ("GUILD_CREATE", 10, Some(2)));
    assert_eq!(rig.hear().await, ("GUILD_BAN_ADD", 10, Some(3)));
}

/// Discord sends nothing of a server that goes into an outage while no session is there.
#[tokio::test]
async fn a_server_that_does_not_come_with_a_new_session_is_out_since_the_one_before() {
    let mut rig = Rig::new();
    let mut watched = rig.ready(&[10]).await;
    rig.create(&mut watched, 2, 10).await;
    assert_eq!(rig.hear().await, ("GUILD_CREATE", 10, Some(2)));
    rig.clock.advance(Duration::from_secs(30));
    for _ in 0..2 {
        watched = rig.ready(&[10]).await;
        assert_eq!(rig.hear().await, ("GUILD_DELETE unavailable", 10, None));
        let server = rig.tap.router.guilds().get(GuildId::new(10).unwrap());
        assert!(!server.unwrap().is_available());
        rig.clock.advance(Duration::from_secs(60));
        rig.beat(&mut watched).await;
    }
    rig.create(&mut watched, 2, 10).await;
    assert_eq!(rig.gap().await.lasted, Duration::from_secs(150));
    assert_eq!(rig.hear().await, ("GUILD_CREATE", 10, Some(2)));
}

#[tokio::test]
async fn a_hole_ends_the_session_and_another_one_soon_after_is_only_told() {
    let mut rig = Rig::new();
    let mut watched = rig.ready(&[10]).await;
    rig.create(&mut watched, 2, 10).await;
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(rig.ban(&mut watched, 4).await, Seen::Ends);
    assert_eq!(rig.hear().await, ("GUILD_CREATE", 10, Some(2)));
    assert_eq!(rig.hear().await, ("GUILD_BAN_ADD", 10, Some(4)));

    let mut anew = rig.ready(&[10]).await;
    rig.create(&mut anew, 2, 10).await;
    assert_eq!(rig.hear().await, ("GUILD_DELETE unavailable", 10, None));
    assert_eq!(rig.gap().await.lasted, Duration::from_secs(5));
    assert_eq!(rig.hear().await, ("GUILD_CREATE", 10, Some(2)));
    rig.clock.advance(Duration::from_secs(2));
    assert_eq!(rig.ban(&mut anew, 4).await, Seen::GoesOn);
    assert_eq!(
        rig.gap().await,
        Gap {
            cause: GapCause::Hole,
            lasted: Duration::from_secs(2)
        }
    );
    assert_eq!(rig.hear().await, ("GUILD_BAN_ADD", 10, Some(4)));
    assert_eq!(rig.ban(&mut anew, 5).await, Seen::GoesOn);
    // What is known of the server stays wrong no longer than that.
    rig.clock.advance(ENDS_APART);
    rig.beat(&mut anew).await;
    assert_eq!(rig.ban(&mut anew, 6).await, Seen::Ends);
}

/// The shard's connection broke before it heard that its session is over.
#[tokio::test]
async fn a_session_with_a_hole_that_is_resumed_ends_again_until_another_one_tells() {
    let mut rig = Rig::new();
    let mut watched = rig.ready(&[10]).await;
    rig.create(&mut watched, 2, 10).await;
    rig.clock.advance(Duration::from_secs(5));
    assert_eq!(rig.ban(&mut watched, 4).await, Seen::Ends);
    assert_eq!(rig.hear().await, ("GUILD_CREATE", 10, Some(2)));
    assert_eq!(rig.hear().await, ("GUILD_BAN_ADD", 10, Some(4)));
    for seq in [4, 5] {
        rig.clock.advance(Duration::from_secs(5));
        let mut resumed = Watched::default();
        assert_eq!(rig.ban(&mut resumed, 3).await, Seen::GoesOn, "it was here");
        let resumed = rig.see(&mut resumed, "RESUMED", seq + 1, json!({})).await;
        assert_eq!(resumed, Seen::Ends, "{seq}");
    }
    let mut anew = rig.ready(&[10]).await;
    rig.create(&mut anew, 2, 10).await;
    assert_eq!(rig.hear().await, ("GUILD_DELETE unavailable", 10, None));
    let gap = rig.gap().await;
    assert_eq!(gap.lasted, Duration::from_secs(15), "since all was heard");
    assert_eq!(rig.hear().await, ("GUILD_CREATE", 10, Some(2)));
    // From then on the time until the next one counts.
    assert_eq!(rig.ban(&mut anew, 4).await, Seen::GoesOn);
}

#[tokio::test]
async fn what_discord_did_not_keep_for_a_resumed_session_is_a_hole() {
    let rig = Rig::new();
    rig.ready(&[10]).await;
    let mut resumed = Watched::default();
    assert_eq!(rig.ban(&mut resumed, 2).await, Seen::GoesOn);
    let resumed = rig.see(&mut resumed, "RESUMED", 9, json!({})).await;
    assert_eq!(resumed, Seen::Ends);
}

#[tokio::test]
async fn a_server_that_went_while_nobody_listened_is_gone() {
    let mut rig = Rig::new();
    let mut watched = rig.ready(&[10, 11]).await;
    rig.see(
        &mut watched,
        "GUILD_DELETE",
        2,
        json!({"id": "11", "unavailable": true}),
    )
    .await;
    assert_eq!(rig.hear().await, ("GUILD_DELETE unavailable", 11, Some(2)));
    rig.ready(&[11]).await;
    let mut heard = [rig.hear().await, rig.hear().await];
    heard.sort_unstable();
    assert_eq!(
        heard,
        [
            ("GUILD_DELETE", 10, None),
            ("GUILD_DELETE unavailable", 11, None)
        ]
    );
    assert!(
        rig.tap
            .router
            .guilds()
            .get(GuildId::new(10).unwrap())
            .is_none()
    );
}
