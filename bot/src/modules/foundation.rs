//! What modules are built on.

use std::sync::Arc;

use splashtail_core::clock::SharedClock;
use splashtail_core::config::Config;
use splashtail_discord::Discord;
use splashtail_ipc::clients::JobserverClient;
use splashtail_storage::Storage;

use crate::inputs::Changes;
use crate::server_language::ServerLanguages;

/// Given to each module when it is made; it takes what its service needs and nothing else.
#[derive(Clone)]
pub struct Foundation {
    pub config: Arc<Config>,
    pub clock: SharedClock,
    pub storage: Storage,
    /// Everything that is done to servers; it keeps the process's limits at Discord, so there is one.
    pub discord: Discord,
    pub jobserver: JobserverClient,
    /// Where what is kept in memory hears of changed settings.
    pub changes: Arc<Changes>,
    /// In which language servers are written to.
    pub languages: ServerLanguages,
}

/// On an embedded database that goes with the process.
#[cfg(test)]
pub async fn for_tests() -> Foundation {
    let place = std::env::temp_dir().join(uuid::Uuid::new_v4().to_string());
    std::fs::create_dir(&place).unwrap();
    let clock = splashtail_core::clock::SystemClock::shared();
    cluster_for_tests(&place, clock, None).await
}

/// One of the clusters that share the database of a folder, and a bus with its channel.
#[cfg(test)]
pub async fn cluster_for_tests(
    place: &std::path::Path,
    clock: SharedClock,
    bus: Option<(Arc<dyn splashtail_ipc::bus::Bus>, &str)>,
) -> Foundation {
    use splashtail_core::config::DatabaseTarget;
    use splashtail_ipc::signing::{Signer, tag};
    use tokio_util::sync::CancellationToken;

    let target = DatabaseTarget::Sqlite(place.join("splashtail.db"));
    let storage = Storage::open(&target, &CancellationToken::new())
        .await
        .unwrap();
    storage.migrate().await.unwrap();
    let signer = Signer::new("bot", "secret".into(), tag::JOBSERVER, Arc::clone(&clock));
    let config = Config::embedded(place, splashtail_core::environment::Environment::Staging);
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Nobody listens there.
    let nowhere = "http://127.0.0.1:9".parse().unwrap();
    let discord = Discord::new(&nowhere, &nowhere, &"token".into(), Arc::clone(&clock));
    let changes = Changes::new(bus, storage.clone(), Arc::clone(&clock));
    Foundation {
        languages: ServerLanguages::new(storage.clone(), &changes, Arc::clone(&clock)),
        discord: discord.unwrap(),
        jobserver: JobserverClient::new(config.meta.jobserver_urls.clone(), &signer).unwrap(),
        config: Arc::new(config),
        changes,
        clock,
        storage,
    }
}
