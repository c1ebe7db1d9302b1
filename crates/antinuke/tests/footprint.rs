//! What an actor costs, by the bytes that the allocator gave.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use splashtail_antinuke::{Engine, HOUR, Input, Mode, Moment, Policy, TagKey};
use splashtail_guild::{Id, Structure};

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: everything is the system's own; only sizes are added up.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Renamed, moved, pinned, threads, emojis, stages, events, invites.
const ACTIONS: [u16; 8] = [24, 26, 74, 110, 60, 83, 100, 40];
const ACTORS: u64 = 500;

/// Somebody does each of these six times, an hour apart.
fn act(engine: &mut Engine, structure: &Structure, actor: u64, serial: &mut u64) {
    for round in 0..6 {
        for action in ACTIONS {
            *serial += 1;
            let now = Moment(400_000_000_000 + round * HOUR);
            let id = Id::new(now.id().get() | (*serial & 0x003f_ffff));
            let raw = json!({"id": id, "user_id": Id::new(actor), "action_type": action,
                "target_id": Id::new(10_000_000 + *serial), "options": {"count": "1"},
                "changes": [{"key": "nick", "old_value": "a", "new_value": "b"}]});
            let raw = &raw;
            engine.decide(Input::Entry { raw, polled: true }, structure, now);
        }
    }
}

#[test]
fn an_actor_of_eight_types_takes_less_than_a_kilobyte() {
    let guild = Id::new(1000);
    let structure = Structure::from_guild(&json!({"id": guild, "name": "Harbour",
        "owner_id": "1", "roles": [], "channels": []}));
    let structure = structure.unwrap();
    let policy = Policy {
        mode: Mode::On,
        ..Policy::default()
    };
    let mut engine = Engine::new(guild, Id::new(2), Arc::new(policy), TagKey::new([0; 32]));
    let mut serial = 0;
    // What is kept of a server as a whole is full after these.
    for actor in 0..100 {
        act(&mut engine, &structure, 100 + actor, &mut serial);
    }
    let (before, known) = (LIVE.load(Ordering::Relaxed), engine.actor_count() as u64);
    for actor in 0..ACTORS {
        act(
            &mut engine,
            &structure,
            1_000_000 + actor * 7919,
            &mut serial,
        );
    }
    assert_eq!(engine.actor_count() as u64, known + ACTORS);
    assert_eq!(engine.incidents().count(), 0);
    let each = (LIVE.load(Ordering::Relaxed) - before) / ACTORS as usize;
    println!("{each} bytes an actor");
    assert!(each < 1024, "{each}");
}
