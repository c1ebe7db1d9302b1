//! What the clusterer and the bot's clusters say, remembered for a moment.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use moka::future::Cache;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use splashtail_api_types::clusters::{ClusterHealth, Instance, InstanceList};
use splashtail_api_types::modules::CanonicalModule;
use splashtail_core::clock::SharedClock;
use splashtail_core::ids::{ClusterId, GuildId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::clients::{ClientError, ClustererClient, IserverClient};
use splashtail_permissions::PermissionResult;
use tokio::time::timeout;
use tracing::warn;

use crate::auth::Caller;
use crate::error::ApiError;
use crate::fresh::Fresh;
use crate::rendered::Rendered;

/// The page polls every few seconds from many browsers; the clusterer is asked once a second.
const LIST_PERIOD: Duration = Duration::from_secs(1);
const MODULES_LIFETIME: Duration = Duration::from_secs(600);
const CLUSTERS: u64 = 4096;
/// For one cluster of many that a list waits for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clusters that are asked one after the other for what any of them could say; a request has 30 s.
const MOST_TRIED: usize = 4;

#[derive(Debug)]
pub struct Fleet {
    clusterer: ClustererClient,
    iservers: IserverClient,
    list: Fresh<Arc<InstanceList>, ApiError>,
    /// The list without what only operators may see, and of which list it was made.
    public: Mutex<Option<(Arc<InstanceList>, Rendered)>>,
    /// By cluster and incarnation: a restarted bot may have other modules.
    modules: Cache<(ClusterId, String), Arc<Vec<CanonicalModule>>>,
}

/// `Modules` of an IServer: by module id, in registration order.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
struct ModulesById(Map<String, Value>);

impl Fleet {
    pub fn new(clusterer: ClustererClient, iservers: IserverClient, clock: SharedClock) -> Self {
        Self {
            clusterer,
            iservers,
            list: Fresh::new(LIST_PERIOD, clock),
            public: Mutex::default(),
            modules: Cache::builder()
                .max_capacity(CLUSTERS)
                .time_to_live(MODULES_LIFETIME)
                .build(),
        }
    }

    /// With everything that only operators may see.
    ///
    /// # Errors
    /// [`ApiError::FleetUnavailable`]: the clusterer does not answer.
    pub async fn instances(&self) -> Result<Arc<InstanceList>, ApiError> {
        let ask = async {
            match self.clusterer.instance_list().await {
                Ok(list) => Ok(Arc::new(list)),
                Err(error) => {
                    warn!(error = %Chain(&error), "the clusterer does not answer (`meta.clusterer_url`)");
                    Err(ApiError::FleetUnavailable)
                }
            }
        };
        Ok(self.list.get(ask).await?)
    }

    /// Without that, as everybody gets it: each list is rendered once.
    ///
    /// # Errors
    /// As [`Fleet::instances`].
    pub async fn public_instances(&self) -> Result<Rendered, ApiError> {
        let list = self.instances().await?;
        let mut public = self.public.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, rendered)) = public.as_ref()
            && Arc::ptr_eq(of, &list)
        {
            return Ok(rendered.clone());
        }
        let rendered = Rendered::new(&list.as_ref().clone().public())?;
        *public = Some((list, rendered.clone()));
        Ok(rendered)
    }

    /// Oldest first, see [`ClustererClient::action_logs_since`].
    ///
    /// # Errors
    /// [`ApiError::FleetUnavailable`]: the clusterer does not answer.
    pub async fn action_logs(
        &self,
        since: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Vec<Value>, ApiError> {
        let entries = self.clusterer.action_logs_since(since, limit).await;
        entries.map_err(refused)
    }

    /// # Errors
    /// [`ApiError::FleetUnavailable`]; 400 for an unknown cluster and while not all are up.
    pub async fn health(&self, cluster: ClusterId) -> Result<ClusterHealth, ApiError> {
        self.clusterer
            .cluster_health(cluster)
            .await
            .map_err(refused)
    }

    /// Sends a command in the name of an operator. It is accepted when this returns, not done.
    ///
    /// # Errors
    /// [`ApiError::FleetUnavailable`]; 409 with the clusterer's reason when it refuses.
    pub async fn command(
        &self,
        action: &str,
        cluster: Option<ClusterId>,
        operator: UserId,
    ) -> Result<(), ApiError> {
        let sent = self
            .clusterer
            .command(action, cluster, Some(operator))
            .await;
        sent.map(drop).map_err(refused)
    }

    /// What the cluster's bot can do, in its own order.
    ///
    /// # Errors
    /// 404 for an unknown cluster, 503 for one that does not run or runs on another host.
    pub async fn modules(&self, cluster: ClusterId) -> Result<Arc<Vec<CanonicalModule>>, ApiError> {
        let list = self.instances().await?;
        let instance = reachable(&list, cluster)?;
        let key = (cluster, instance.session_id.clone());
        if let Some(modules) = self.modules.get(&key).await {
            return Ok(modules);
        }
        let by_id: ModulesById = self
            .iservers
            .query(cluster, &Value::from("Modules"))
            .await
            .map_err(|error| ApiError::from_daemon("cluster", error))?;
        let modules = by_id
            .0
            .into_values()
            .map(serde_json::from_value)
            .collect::<Result<Vec<CanonicalModule>, _>>()?;
        let modules = Arc::new(modules);
        self.modules.insert(key, modules.clone()).await;
        Ok(modules)
    }

    /// What the bot of any cluster can do. All are of one version, but for moments; one that does not
    /// answer is passed over.
    ///
    /// # Errors
    /// As [`Fleet::modules`], of the last one that was asked.
    pub async fn any_modules(&self) -> Result<Arc<Vec<CanonicalModule>>, ApiError> {
        let list = self.instances().await?;
        let clusters = list.map.iter().map(|cluster| cluster.id);
        let clusters = clusters.filter(|cluster| reachable(&list, *cluster).is_ok());
        let mut failed = ApiError::ClusterUnavailable;
        for cluster in clusters.take(MOST_TRIED) {
            failed = match timeout(PATIENCE, self.modules(cluster)).await {
                Ok(Ok(modules)) => return Ok(modules),
                Ok(Err(error)) => error,
                Err(_) => ApiError::ClusterUnavailable,
            };
            warn!(cluster.id = %cluster, error = %Chain(&failed), "a cluster did not say what its bot can do");
        }
        Err(failed)
    }

    /// The cluster that has a server.
    ///
    /// # Errors
    /// 412 while none is known, 503 for one that does not run or runs on another host.
    pub async fn cluster_of(&self, guild: GuildId) -> Result<ClusterId, ApiError> {
        let list = self.instances().await?;
        let cluster = cluster_of(&list, guild).ok_or(ApiError::FleetUnavailable)?;
        reachable(&list, cluster)?;
        Ok(cluster)
    }

    /// Asks the bot about one server that it is in.
    ///
    /// # Errors
    /// As [`Fleet::cluster_of`]; what the cluster refuses passes through.
    pub async fn ask<T: DeserializeOwned>(
        &self,
        guild: GuildId,
        query: &Value,
    ) -> Result<T, ApiError> {
        let cluster = self.cluster_of(guild).await?;
        self.present(cluster, guild).await?;
        let asked = self.iservers.query(cluster, query).await;
        asked.map_err(|error| ApiError::from_daemon("cluster", error))
    }

    /// The same for what is done anew each time that it is asked: it is sent once.
    ///
    /// # Errors
    /// As [`Fleet::ask`]; after 502 it may have been done.
    pub async fn ask_once<T: DeserializeOwned>(
        &self,
        guild: GuildId,
        query: &Value,
    ) -> Result<T, ApiError> {
        let cluster = self.cluster_of(guild).await?;
        self.present(cluster, guild).await?;
        let asked = self.iservers.order(cluster, query).await;
        asked.map_err(|error| ApiError::from_daemon("cluster", error))
    }

    /// # Errors
    /// 404 when the bot is not in the server, 503 while that is not known.
    async fn present(&self, cluster: ClusterId, guild: GuildId) -> Result<(), ApiError> {
        let query = json!({"GuildsStatus": {"guilds": [guild]}});
        let asked = self.iservers.query(cluster, &query).await;
        let status: Map<String, Value> =
            asked.map_err(|error| ApiError::from_daemon("cluster", error))?;
        match status.get(&guild.to_string()).and_then(Value::as_str) {
            Some("present") => Ok(()),
            Some("unavailable") => Err(ApiError::ClusterUnavailable),
            _ => Err(ApiError::NotFound("server")),
        }
    }

    /// What somebody may do in a server, and whether they may run a command of the bot there. The
    /// limits of their token count.
    ///
    /// # Errors
    /// As [`Fleet::ask`]; 403 for a server's token.
    pub async fn standing(
        &self,
        guild: GuildId,
        caller: &Caller,
        command: &str,
    ) -> Result<MemberStanding, ApiError> {
        let (user, limits) = (caller.user()?, caller.limits());
        self.standing_of(guild, user, limits, command).await
    }

    /// The same of somebody who is known otherwise than by a token.
    ///
    /// # Errors
    /// As [`Fleet::ask`].
    pub async fn standing_of(
        &self,
        guild: GuildId,
        user: UserId,
        limits: Option<&[String]>,
        command: &str,
    ) -> Result<MemberStanding, ApiError> {
        let query = json!({"CheckCommandPermission": {
            "guild_id": guild,
            "user_id": user,
            "command": command,
            "custom_resolved_kittycat_perms": limits,
        }});
        self.ask(guild, &query).await
    }

    /// The same for several commands: Discord is asked about the person once.
    ///
    /// # Errors
    /// As [`Fleet::standing`].
    pub async fn standings(
        &self,
        guild: GuildId,
        caller: &Caller,
        commands: &[String],
    ) -> Result<MemberStandings, ApiError> {
        let query = json!({"CheckCommandPermissions": {
            "guild_id": guild,
            "user_id": caller.user()?,
            "commands": commands,
            "custom_resolved_kittycat_perms": caller.limits(),
        }});
        self.ask(guild, &query).await
    }

    /// In which of these servers the bot is. One cluster that is away makes its own servers unknown,
    /// and nothing else.
    pub async fn presence(&self, guilds: &[GuildId]) -> Presence {
        let Ok(list) = self.instances().await else {
            return Presence {
                has_bot: Vec::new(),
                unknown: guilds.to_vec(),
            };
        };
        let mut by_cluster = BTreeMap::<Option<ClusterId>, Vec<GuildId>>::new();
        for guild in guilds {
            let cluster = cluster_of(&list, *guild);
            let cluster = cluster.filter(|cluster| reachable(&list, *cluster).is_ok());
            by_cluster.entry(cluster).or_default().push(*guild);
        }
        let asked = by_cluster.into_iter().map(|(cluster, guilds)| async move {
            let Some(cluster) = cluster else {
                return (guilds, Map::new());
            };
            let query = json!({"GuildsStatus": {"guilds": guilds}});
            let answer = self.iservers.query(cluster, &query);
            let answer = timeout(PATIENCE, answer).await;
            let status = match answer {
                Ok(Ok(status)) => status,
                Ok(Err(error)) => {
                    warn!(cluster.id = %cluster, error = %Chain(&error), "a cluster did not say where the bot is");
                    Map::new()
                }
                Err(_) => {
                    warn!(cluster.id = %cluster, "a cluster did not say in time where the bot is");
                    Map::new()
                }
            };
            (guilds, status)
        });
        let mut presence = Presence::default();
        for (guilds, status) in join_all(asked).await {
            for guild in guilds {
                match status.get(&guild.to_string()).and_then(Value::as_str) {
                    Some("present") => presence.has_bot.push(guild),
                    Some("absent") => {}
                    _ => presence.unknown.push(guild),
                }
            }
        }
        presence
    }
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Presence {
    pub has_bot: Vec<GuildId>,
    pub unknown: Vec<GuildId>,
}

fn cluster_of(list: &InstanceList, guild: GuildId) -> Option<ClusterId> {
    // Before it is known there are no shards.
    if list.shard_count == 0 {
        return None;
    }
    let shard = guild.shard(list.shard_count);
    let mut clusters = list.map.iter();
    let cluster = clusters.find(|cluster| cluster.shards.contains(&shard));
    cluster.map(|cluster| cluster.id)
}

/// # Errors
/// 404 for an unknown cluster, 503 for one that does not run or runs on another host.
fn reachable(list: &InstanceList, cluster: ClusterId) -> Result<&Instance, ApiError> {
    let mut instances = list.instances.iter();
    let instance = instances.find(|instance| instance.cluster_id == cluster);
    let instance = instance.ok_or(ApiError::NotFound("cluster"))?;
    if !answers(instance) {
        return Err(ApiError::ClusterUnavailable);
    }
    // IServers listen on the loopback of their own host.
    let process = instance.process.as_ref();
    if process.is_some_and(|process| process.host.is_some()) {
        return Err(ApiError::ClusterElsewhere);
    }
    Ok(instance)
}

/// What the bot says of somebody in a server.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MemberStanding {
    /// Whether they may run the command that was asked for.
    pub is_ok: bool,
    /// Why, or why not.
    #[serde(default)]
    pub perm_res: Value,
    /// Their permissions in the server as a whole; the owner has all. `None`: they are not there.
    #[serde(default, deserialize_with = "decimal")]
    pub permissions: Option<u64>,
}

impl MemberStanding {
    /// Their permissions.
    ///
    /// # Errors
    /// They may not run the command.
    pub fn allowed(self) -> Result<u64, ApiError> {
        match (self.is_ok, self.permissions) {
            (true, Some(permissions)) => Ok(permissions),
            _ => Err(denied(self.perm_res)),
        }
    }
}

/// What the bot says of somebody and several commands.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct MemberStandings {
    /// As [`MemberStanding::permissions`].
    #[serde(default, deserialize_with = "decimal")]
    pub permissions: Option<u64>,
    pub commands: BTreeMap<String, CommandStanding>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct CommandStanding {
    pub is_ok: bool,
    #[serde(default)]
    pub perm_res: Value,
}

/// The bot's no, in its own words where they can be read. Whatever is no clear yes is a no.
pub fn denied(result: Value) -> ApiError {
    match serde_json::from_value::<PermissionResult>(result) {
        Ok(result) if !result.is_ok() => ApiError::Denied(Box::new(result)),
        _ => ApiError::Forbidden(
            "you may not do that in this server; its administrators can let you",
        ),
    }
}

/// A set of permissions, in decimal, as text.
fn decimal<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom))
        .transpose()
}

/// A clusterer that is away and one that is not ready are the same to whoever asks.
fn refused(error: ClientError) -> ApiError {
    if error.is_unreachable() || error.status() == Some(StatusCode::SERVICE_UNAVAILABLE) {
        warn!(error = %Chain(&error), "the clusterer does not answer (`meta.clusterer_url`)");
        return ApiError::FleetUnavailable;
    }
    ApiError::from_daemon("clusterer", error)
}

fn answers(instance: &Instance) -> bool {
    instance.active && !instance.currently_killing && instance.cluster_health.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(answer: Value) -> Result<u64, u16> {
        let standing: MemberStanding = serde_json::from_value(answer).unwrap();
        standing.allowed().map_err(|error| error.status().as_u16())
    }

    #[test]
    fn only_a_clear_yes_of_the_bot_allows() {
        let yes = json!({"is_ok": true, "permissions": "18446744073709551615", "perm_res": {}});
        assert_eq!(standing(yes), Ok(u64::MAX));
        for no in [
            json!({"is_ok": false, "permissions": "8", "perm_res": {"var": "ModuleNotFound"}}),
            // Contradicts itself.
            json!({"is_ok": false, "permissions": "8", "perm_res": {"var": "Ok"}}),
            json!({"is_ok": false, "permissions": "8"}),
            json!({"is_ok": true, "permissions": null}),
            // An older bot does not say.
            json!({"is_ok": true}),
        ] {
            assert_eq!(standing(no.clone()), Err(403), "{no}");
        }
    }
}
