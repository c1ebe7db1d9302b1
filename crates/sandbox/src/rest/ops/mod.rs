//! The operations, by subject.

mod gateway;

use super::routes::Route;

/// Every route.
pub(super) fn table() -> Vec<Route> {
    let mut table = Vec::new();
    gateway::routes(&mut table);
    table
}
