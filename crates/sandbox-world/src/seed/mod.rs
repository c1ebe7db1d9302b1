//! Built-in worlds. Their ids are constants, so that every run meets the same things.

pub mod big;
mod big_talk;
pub mod blank;
mod files;
pub mod huge;
pub mod many;
pub mod odd;
pub mod people;
mod site;
pub mod small;
mod words;

use std::sync::Arc;

use crate::clock::SandboxClock;
use crate::world::{Addresses, World};

/// A world that comes with the sandbox.
#[derive(Debug)]
pub struct BuiltIn {
    pub name: &'static str,
    /// What it holds, in a line of a list.
    pub about: &'static str,
    furnish: fn(&mut World),
}

/// The built-in worlds, the usual one first.
pub static WORLDS: [BuiltIn; 7] = [
    BuiltIn {
        name: "small",
        about: "four servers of five people and the bot, with a bit of everything",
        furnish: small::build,
    },
    BuiltIn {
        name: "big",
        about: "one server as large communities are: 500 channels, 250 roles, 50,000 members",
        furnish: big::big,
    },
    BuiltIn {
        name: "odd",
        about: "one server of edge cases: twin names, equal positions, hidden channels, full slots",
        furnish: odd::odd,
    },
    BuiltIn {
        name: "many",
        about: "2,500 servers for one shard",
        furnish: many::many,
    },
    BuiltIn {
        name: "huge",
        about: "one server at every cap at once",
        furnish: huge::huge,
    },
    BuiltIn {
        name: "blank",
        about: "one server that its owner has just made, to restore into",
        furnish: blank::blank,
    },
    BuiltIn {
        name: "empty",
        about: "nothing",
        furnish: |_| {},
    },
];

/// There is no built-in world of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no built-in world `{0}`; there are: {list}", list = names().join(", "))]
pub struct UnknownWorld(pub String);

/// Names of the built-in worlds.
pub fn names() -> Vec<&'static str> {
    WORLDS.iter().map(|world| world.name).collect()
}

/// The built-in world of this name.
///
/// # Errors
/// There is none.
pub fn known(name: &str) -> Result<&'static BuiltIn, UnknownWorld> {
    let mut worlds = WORLDS.iter();
    let found = worlds.find(|world| world.name == name);
    found.ok_or_else(|| UnknownWorld(name.to_owned()))
}

/// Builds a world.
///
/// # Errors
/// There is none of this name.
pub fn build(
    name: &str,
    seed: u64,
    addresses: &Addresses,
    clock: &Arc<SandboxClock>,
) -> Result<World, UnknownWorld> {
    let built_in = known(name)?;
    let mut world = World::empty(name, seed, addresses, clock);
    (built_in.furnish)(&mut world);
    let ids = world
        .messages
        .values()
        .flat_map(|m| m.keys())
        .chain(world.channels.keys());
    if let Some(last) = ids.max().copied() {
        world.ids.skip_past(last);
    }
    world.outbox.clear();
    Ok(world)
}
