//! How the proxy between the platform and Discord does.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// `GET /mewld/api/proxy`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProxyStatus {
    /// The bot's sessions and the calls to Discord are the proxy's (`proxy.enabled`).
    pub enabled: bool,
    /// `null`: it is off, or does not answer.
    pub report: Option<ProxyReport>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProxyReport {
    /// Seconds since its start.
    pub uptime: u64,
    /// Another number of shards is on its way.
    pub resharding: bool,
    /// At Discord.
    pub shards: Vec<ProxyShard>,
    /// Sessions of programs, those that wait for their program to come back among them.
    pub clients: u64,
    /// Of them, those that wait.
    pub clients_away: u64,
    /// Bytes of events that clients have not taken yet.
    pub backlog_bytes: u64,
    /// Sessions that may begin today; `null`: Discord has not told.
    pub session_starts_remaining: Option<u64>,
    /// Calls to Discord; `null`: nobody has told of them yet.
    pub calls: Option<ProxyCalls>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProxyShard {
    pub id: u16,
    pub state: ProxyShardState,
    /// Heartbeat round trip in milliseconds; `null`: not known.
    pub latency_ms: Option<u64>,
    pub guilds: u64,
    /// Seconds since it was connected; `null`: it is not.
    pub connected_for: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProxyShardState {
    Connecting,
    Connected,
    /// Discord does not want the bot; nothing is tried any more.
    Refused,
}

/// The calls of all programs to Discord.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProxyCalls {
    /// Bots and people in whose name calls are made.
    pub tokens: u64,
    /// Calls that wait for their turn.
    pub waiting: u64,
    pub in_flight: u64,
    /// Limits of Discord's that are remembered.
    pub buckets: u64,
    /// Calls that our bot may still make in this second, …
    pub left_in_second: u64,
    /// … of so many.
    pub per_second: u64,
    /// Calls that Discord refused; at 10,000 in ten minutes it blocks the address.
    pub refused_in_ten_minutes: u64,
}

/// What the proxy answers at `/api/status`, in the shape of the original's status page.
#[derive(Debug, Clone, Deserialize)]
pub struct ProxyPage {
    data: PageData,
}

#[derive(Debug, Clone, Deserialize)]
struct PageData {
    uptime: u64,
    managers: Vec<PageManager>,
    resharding: bool,
    clients: u64,
    clients_away: u64,
    backlog_bytes: u64,
    session_starts_remaining: Option<u64>,
    rest: Option<ProxyCalls>,
}

#[derive(Debug, Clone, Deserialize)]
struct PageManager {
    shard_groups: Vec<PageGroup>,
}

#[derive(Debug, Clone, Deserialize)]
struct PageGroup {
    /// Id, state, latency in ms, servers, seconds connected, seconds in all.
    shards: Vec<(u16, u8, u64, u64, u64, u64)>,
}

impl From<ProxyPage> for ProxyReport {
    fn from(page: ProxyPage) -> Self {
        let data = page.data;
        let groups = data
            .managers
            .into_iter()
            .flat_map(|manager| manager.shard_groups);
        let shards = groups.flat_map(|group| group.shards);
        let shards = shards.map(|(id, state, latency, guilds, connected, _)| {
            let state = ProxyShardState::of(state);
            let is_up = state == ProxyShardState::Connected;
            ProxyShard {
                id,
                state,
                latency_ms: (is_up && latency > 0).then_some(latency),
                guilds,
                connected_for: is_up.then_some(connected),
            }
        });
        Self {
            uptime: data.uptime,
            resharding: data.resharding,
            shards: shards.collect(),
            clients: data.clients,
            clients_away: data.clients_away,
            backlog_bytes: data.backlog_bytes,
            session_starts_remaining: data.session_starts_remaining,
            calls: data.rest,
        }
    }
}

impl ProxyShardState {
    /// Of the original's numbers the proxy uses three.
    fn of(number: u8) -> Self {
        match number {
            2 => Self::Connected,
            6 => Self::Refused,
            _ => Self::Connecting,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_page_of_the_proxy_is_read_whole() {
        let page = json!({"ok": true, "data": {
            "uptime": 7, "resharding": true, "clients": 3, "clients_away": 1,
            "backlog_bytes": 4096, "session_starts_remaining": 990,
            "rest": {"tokens": 2, "waiting": 5, "in_flight": 1, "buckets": 40, "left_in_second": 49,
                "per_second": 50, "refused_in_ten_minutes": 3},
            "managers": [{"display_name": "x", "shard_groups": [{"id": 0, "status": 2, "uptime": 7,
                "shards": [[0, 2, 41, 12, 6, 7], [1, 6, 41, 0, 0, 7], [2, 1, 0, 3, 0, 7]]}]}],
        }});
        let page: ProxyPage = serde_json::from_value(page).unwrap();
        let report = ProxyReport::from(page);
        let shard = |id, state, latency_ms, guilds, connected_for| ProxyShard {
            id,
            state,
            latency_ms,
            guilds,
            connected_for,
        };
        assert_eq!(
            report.shards,
            [
                shard(0, ProxyShardState::Connected, Some(41), 12, Some(6)),
                shard(1, ProxyShardState::Refused, None, 0, None),
                shard(2, ProxyShardState::Connecting, None, 3, None),
            ]
        );
        assert!(report.resharding && report.clients_away == 1);
        let calls = report.calls.unwrap();
        assert_eq!((calls.buckets, calls.refused_in_ten_minutes), (40, 3));
    }
}
