//! Who came while nothing was heard, and who was there before the bot.

use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use splashtail_core::telemetry::Chain;
use splashtail_discord::Lane;
use splashtail_guild::Id;
use splashtail_raid::{Arrival, DAY, MINUTE, Moment, StreamKind};
use tracing::{debug, warn};

use super::arrivals::Member;
use super::server::Server;
use super::service::Watch;
use crate::events::{Gap, GapCause};

/// What Discord lists at a time.
const PAGE: usize = 1000;
/// Of a server that is new: enough to know what its people look like.
const MOST_PAGES: usize = 10;
/// A shorter time without events brings nobody who matters.
const SHORTEST: Duration = Duration::from_secs(10);
/// Accounts that are looked for: ids ascend, so one list has just the young ones.
const YOUNG: u64 = 30 * DAY;
const PATIENT: Duration = Duration::from_secs(300);

impl Watch {
    /// Asks who came meanwhile, where Discord does not tell it by itself.
    pub(super) fn catch_up(self: &Arc<Self>, server: &Arc<Server>, gap: Gap) {
        if gap.cause == GapCause::Resumed || gap.lasted < SHORTEST {
            return;
        }
        let (watch, server) = (Arc::clone(self), Arc::clone(server));
        let lasted = u64::try_from(gap.lasted.as_millis()).unwrap_or(u64::MAX);
        let from = self.now().minus(lasted).minus(MINUTE);
        tokio::spawn(async move {
            let after = watch.now().minus(YOUNG).id();
            let Some(page) = watch.members(&server, after, Lane::Interactive).await else {
                return;
            };
            let mut missed = watch.arrivals(&server, &page);
            missed.retain(|arrival| arrival.at >= from);
            missed.sort_by_key(|arrival| arrival.at);
            for arrival in &mut missed {
                arrival.is_late = true;
                let now = watch.now();
                watch.tell(&server, |engine| {
                    // Of who was there before it may have been missed, too.
                    let mut effects = engine.exempted(arrival.user, arrival.exempt, now);
                    effects.extend(engine.arrived_late(StreamKind::Joins, arrival, now));
                    effects
                });
            }
            server.state().unsaved |= !missed.is_empty();
        });
    }

    /// Learns what is usual from the members of today.
    pub(super) fn learn(self: &Arc<Self>, server: &Arc<Server>) {
        let (watch, server) = (Arc::clone(self), Arc::clone(server));
        tokio::spawn(async move {
            let (mut after, mut known) = (Id::MIN, Vec::new());
            for _ in 0..MOST_PAGES {
                let Some(page) = watch.members(&server, after, Lane::Bulk).await else {
                    return;
                };
                let last = page.last().and_then(|member| Id::of(&member["user"]));
                known.extend(watch.arrivals(&server, &page));
                match last.filter(|_| page.len() == PAGE) {
                    Some(last) => after = last,
                    None => break,
                }
            }
            let now = watch.now();
            server.ask(|engine| {
                // What was seen meanwhile is not counted twice.
                if engine.wave().is_none() {
                    engine.learn_members(&known, now);
                }
                Vec::new()
            });
            server.state().unsaved = true;
            debug!(guild.id = %server.guild, members = known.len(), "what is usual was learnt from members");
        });
    }

    async fn members(&self, server: &Server, after: Id, lane: Lane) -> Option<Vec<Value>> {
        let path = format!("/guilds/{}/members", server.guild);
        let request = self.discord.get(path).lane(lane).longest_wait(PATIENT);
        let request = request.query("limit", PAGE).query("after", after);
        match request.send().await {
            Ok(Value::Array(page)) => Some(page),
            Ok(_) => None,
            Err(error) => {
                warn!(guild.id = %server.guild, error = %Chain(&error), "members cannot be listed");
                None
            }
        }
    }

    fn arrivals(&self, server: &Server, page: &[Value]) -> Vec<Arrival> {
        let view = server.view();
        let facts = view.facts();
        let trust = self.protection.policy(server.guild);
        let members = page
            .iter()
            .filter_map(|member| Member::deserialize(member).ok());
        let dated = members.filter(|member| member.joined_at.is_some());
        dated
            .map(|member| member.arrives(server.guild, &facts, trust.as_ref(), Moment(0)))
            .collect()
    }
}
