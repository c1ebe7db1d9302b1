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

/// There is no built-in world of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no built-in world `{0}`; there are: {list}", list = WORLDS.join(", "))]
pub struct UnknownWorld(pub String);

/// Names of the built-in worlds.
const WORLDS: [&str; 7] = ["small", "big", "odd", "many", "huge", "blank", "empty"];

/// Whether [`build`] knows a world.
///
/// # Errors
/// It does not.
pub fn known(name: &str) -> Result<(), UnknownWorld> {
    let unknown = || UnknownWorld(name.to_owned());
    WORLDS.contains(&name).then_some(()).ok_or_else(unknown)
}

/// Builds a world.
pub fn build(
    name: &str,
    seed: u64,
    addresses: &Addresses,
    clock: &Arc<SandboxClock>,
) -> Result<World, UnknownWorld> {
    let mut world = World::empty(name, seed, addresses, clock);
    match name {
        "empty" => {}
        "blank" => blank::blank(&mut world),
        "small" => small::build(&mut world),
        "big" => big::big(&mut world),
        "many" => many::many(&mut world),
        "odd" => odd::odd(&mut world),
        "huge" => huge::huge(&mut world),
        _ => return Err(UnknownWorld(name.to_owned())),
    }
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
