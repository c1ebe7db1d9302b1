use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use chrono::DateTime;
use splashtail_core::clock::{Clock, ManualClock};
use tokio::sync::mpsc;

use super::super::event::GapCause;
use super::super::{DEADLINE, Listener};
use super::*;
use crate::guilds::GuildView;

const MODULE: &str = "ears";
const KINDS: EventKinds = EventKinds::of(&[
    EventKind::GuildBanAdd,
    EventKind::MessageCreate,
    EventKind::GuildGone,
    EventKind::Gap,
]);

/// Tells what it heard; in some servers it never ends, fails or panics.
struct Ears {
    heard: mpsc::UnboundedSender<(u64, &'static str, Option<u64>)>,
    stalls: BTreeSet<u64>,
    breaks: BTreeSet<u64>,
}

#[async_trait]
impl Listener for Ears {
    fn kinds(&self) -> EventKinds {
        KINDS
    }

    async fn on_event(&self, event: &Event, guild: &GuildView) -> anyhow::Result<()> {
        let id = event.guild.get();
        assert_eq!(guild.id(), event.guild);
        let _ = self.heard.send((id, event.kind.name(), event.seq));
        if self.stalls.contains(&id) {
            std::future::pending::<()>().await;
        }
        assert!(!self.breaks.contains(&id), "asked to");
        if event.seq == Some(13) {
            anyhow::bail!("asked to");
        }
        // So that a call does not always end at its first step.
        tokio::task::yield_now().await;
        Ok(())
    }
}

type Heard = mpsc::UnboundedReceiver<(u64, &'static str, Option<u64>)>;

struct Rig {
    router: Arc<Router>,
    running: TaskTracker,
    shutdown: CancellationToken,
    clock: ManualClock,
    heard: Heard,
}

fn rig(stalls: &[u64], breaks: &[u64]) -> Rig {
    let (sender, heard) = mpsc::unbounded_channel();
    let ears = Ears {
        heard: sender,
        stalls: stalls.iter().copied().collect(),
        breaks: breaks.iter().copied().collect(),
    };
    let clock = ManualClock::new(DateTime::UNIX_EPOCH);
    let subscription = Subscription {
        module: MODULE,
        listener: Arc::new(ears),
    };
    let bounds = Bounds {
        security: 4,
        security_in_all: 8,
        rest: 2,
        rest_in_all: 4,
    };
    let (running, shutdown) = (TaskTracker::new(), CancellationToken::new());
    let router = Router::with(
        1,
        bounds,
        vec![subscription],
        Arc::new(|guild: GuildId, module| module == MODULE && guild.get() < 9),
        Arc::default(),
        clock.shared(),
        &running,
        &shutdown,
    );
    Rig {
        router,
        running,
        shutdown,
        clock,
        heard,
    }
}

fn event(guild: u64, kind: EventKind, seq: u64) -> Event {
    Event {
        kind,
        guild: GuildId::new(guild).unwrap(),
        shard: ShardId(0),
        seq: Some(seq),
        received: Duration::ZERO,
        body: Body::Raw(Bytes::from_static(b"{}")),
    }
}

async fn numbers(heard: &mut Heard, of: u64, count: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < count {
        let (guild, _, seq) = heard.recv().await.unwrap();
        if guild == of {
            numbers.extend(seq);
        }
    }
    numbers
}

#[tokio::test]
async fn a_stalled_server_delays_no_other_and_is_given_up() {
    let mut rig = rig(&[1], &[]);
    for seq in 1..=3 {
        rig.router
            .offer(event(1, EventKind::GuildBanAdd, seq))
            .await;
    }
    for seq in 1..=4 {
        rig.router
            .offer(event(2, EventKind::GuildBanAdd, seq))
            .await;
    }
    // No time passes.
    assert_eq!(numbers(&mut rig.heard, 2, 4).await, [1, 2, 3, 4]);
    assert_eq!(rig.router.waiting(), (2, 0));
    for seq in 2..=3 {
        rig.clock.wait_for_sleepers(1).await;
        rig.clock.advance(DEADLINE);
        assert_eq!(numbers(&mut rig.heard, 1, 1).await, [seq]);
    }
}

#[tokio::test]
async fn failures_and_panics_end_with_their_event() {
    let mut rig = rig(&[], &[3]);
    for guild in [3, 2] {
        for seq in 12..=14 {
            rig.router
                .offer(event(guild, EventKind::GuildBanAdd, seq))
                .await;
        }
    }
    assert_eq!(numbers(&mut rig.heard, 2, 3).await, [12, 13, 14]);
    rig.router.offer(event(3, EventKind::GuildBanAdd, 15)).await;
    assert_eq!(numbers(&mut rig.heard, 3, 1).await, [15]);
}

#[tokio::test]
async fn security_waits_for_room_and_the_rest_is_left_out() {
    let mut rig = rig(&[1], &[]);
    rig.router.offer(event(1, EventKind::GuildBanAdd, 1)).await;
    assert_eq!(numbers(&mut rig.heard, 1, 1).await, [1]);
    for seq in 2..=5 {
        rig.router
            .offer(event(1, EventKind::GuildBanAdd, seq))
            .await;
        rig.router
            .offer(event(1, EventKind::MessageCreate, 10 + seq))
            .await;
    }
    assert_eq!(rig.router.waiting(), (4, 2));
    let router = Arc::clone(&rig.router);
    let late = tokio::spawn(async move { router.offer(event(1, EventKind::GuildBanAdd, 6)).await });
    let mut heard = Vec::new();
    for _ in 0..7 {
        rig.clock.wait_for_sleepers(1).await;
        rig.clock.advance(DEADLINE);
        heard.extend(numbers(&mut rig.heard, 1, 1).await);
    }
    late.await.unwrap();
    assert_eq!(heard, [2, 3, 4, 5, 6, 14, 15]);
}

#[tokio::test]
async fn only_what_is_listened_to_where_the_module_is_on() {
    let mut rig = rig(&[], &[]);
    assert!(
        !rig.router.wants(EventKind::TypingStart) && rig.router.wants(EventKind::MessageCreate)
    );
    rig.router.offer(event(1, EventKind::TypingStart, 1)).await;
    rig.router
        .offer(event(1, EventKind::GuildRoleCreate, 2))
        .await;
    rig.router.offer(event(99, EventKind::GuildBanAdd, 3)).await;
    rig.router
        .offer(event(1, EventKind::MessageCreate, 4))
        .await;
    assert_eq!(rig.heard.recv().await, Some((1, "MESSAGE_CREATE", Some(4))));
}

#[tokio::test]
async fn every_server_of_a_shard_hears_of_a_gap_and_one_of_its_own_outage() {
    let mut rig = rig(&[], &[]);
    let guilds = [1, 2].map(|id| GuildId::new(id).unwrap());
    let own = splashtail_core::ids::UserId::new(5);
    rig.router.guilds().begin(ShardId(0), own, &guilds);
    rig.router
        .guilds()
        .begin(ShardId(1), own, &[GuildId::new(3).unwrap()]);
    let create = |guild: u64, unavailable: bool| {
        let body =
            format!(r#"{{"id":"{guild}","unavailable":{unavailable},"roles":[],"channels":[]}}"#);
        Event {
            body: Body::Raw(body.into()),
            ..event(guild, EventKind::GuildCreate, 7)
        }
    };
    let gap = Gap {
        cause: GapCause::Resumed,
        lasted: Duration::from_secs(4),
    };
    // Those that are not there yet hear of it when they come.
    rig.router.gap(ShardId(0), gap, rig.clock.monotonic()).await;
    for guild in [1, 2] {
        rig.router.offer(create(guild, false)).await;
    }
    rig.router.gap(ShardId(0), gap, rig.clock.monotonic()).await;
    let mut heard = [rig.heard.recv().await, rig.heard.recv().await];
    heard.sort_unstable();
    assert_eq!(heard, [Some((1, "gap", None)), Some((2, "gap", None))]);

    rig.router
        .offer(event(1, EventKind::GuildUnavailable, 8))
        .await;
    rig.router.offer(create(1, true)).await;
    rig.router.offer(create(1, false)).await;
    rig.router.offer(event(1, EventKind::GuildGone, 9)).await;
    assert_eq!(rig.heard.recv().await, Some((1, "gap", None)));
    assert_eq!(rig.heard.recv().await, Some((1, "GUILD_DELETE", Some(9))));
    assert!(rig.router.guilds().get(guilds[0]).is_none());
}

#[tokio::test]
async fn what_came_before_a_stop_is_heard() {
    let mut rig = rig(&[], &[]);
    for seq in 1..=4 {
        rig.router
            .offer(event(1, EventKind::GuildBanAdd, seq))
            .await;
    }
    rig.shutdown.cancel();
    rig.running.close();
    rig.running.wait().await;
    assert_eq!(numbers(&mut rig.heard, 1, 4).await, [1, 2, 3, 4]);
}

/// In server 5 each event brings another one, so that there is always one; elsewhere an event takes
/// two steps.
struct Endless {
    router: OnceLock<Arc<Router>>,
    heard: mpsc::UnboundedSender<u64>,
}

#[async_trait]
impl Listener for Endless {
    fn kinds(&self) -> EventKinds {
        KINDS
    }

    async fn on_event(&self, again: &Event, _: &GuildView) -> anyhow::Result<()> {
        if again.guild.get() == 5 {
            let router = self.router.get().unwrap();
            router.offer(again.clone()).await;
        } else {
            tokio::task::yield_now().await;
            self.heard.send(again.guild.get())?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn whoever_waits_is_looked_after_while_events_keep_coming() {
    let (sender, mut heard) = mpsc::unbounded_channel();
    let endless = Arc::new(Endless {
        router: OnceLock::new(),
        heard: sender,
    });
    let subscription = Subscription {
        module: MODULE,
        listener: Arc::clone(&endless) as _,
    };
    let router = Router::with(
        1,
        BOUNDS,
        vec![subscription],
        Arc::new(|_, _| true),
        Arc::default(),
        ManualClock::new(DateTime::UNIX_EPOCH).shared(),
        &TaskTracker::new(),
        &CancellationToken::new(),
    );
    assert!(endless.router.set(Arc::clone(&router)).is_ok());
    router.offer(event(5, EventKind::GuildBanAdd, 1)).await;
    router.offer(event(2, EventKind::GuildBanAdd, 2)).await;
    let waited = tokio::time::timeout(Duration::from_secs(30), heard.recv());
    assert_eq!(waited.await.unwrap(), Some(2));
}
