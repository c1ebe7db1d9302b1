//! The daemons of a running platform, and the bus that they share with others.

use std::path::Path;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use splashtail_core::cluster_file::{ClusterFile, load_env_files};
use splashtail_core::config::{BusTarget, Config, Loaded, without_slash};
use splashtail_core::telemetry::Chain;
use splashtail_ipc::bus;
use url::Url;
use uuid::Uuid;

use super::{PATIENCE, no_answer, reason};
use crate::commands::finding::Finding;
use crate::supervisor::cluster_copy;
use crate::supervisor::report::Ready;

/// So long clusterers have to answer.
const ANSWERS: Duration = Duration::from_secs(3);

/// Each daemon that runs here, or that others need, says whether it is ready.
pub(super) async fn daemons(config: &Config, platform: Option<&Ready>) -> Vec<Finding> {
    let meta = &config.meta;
    let mut asked: Vec<(&str, Url, bool)> = Vec::new();
    if let Some(platform) = platform {
        let admin = local(config.admin_address());
        let here = [
            ("webserver", platform.dashboard.as_ref().and(admin)),
            ("clusterer", platform.clusterer.clone()),
        ];
        let here = here
            .into_iter()
            .filter_map(|(name, url)| Some((name, url?, true)));
        asked.extend(here);
    }
    // The bot and the webserver need one, wherever it runs.
    for url in &meta.jobserver_urls {
        asked.push(("jobserver", url.clone(), platform.is_some()));
    }
    let mut findings = Vec::new();
    for (name, url, needed) in asked {
        findings.push(match ask(&url).await {
            Ok(()) => Finding::ok(name, format!("ready at {}", without_slash(&url))),
            Err(why) if needed => Finding::failed(name, format!("{}: {why}", without_slash(&url))),
            Err(why) => Finding::note(
                name,
                format!(
                    "{}: {why}; `splashtail up` and `splashtail jobs` start one",
                    without_slash(&url)
                ),
            ),
        });
    }
    findings
}

fn local(address: std::net::SocketAddr) -> Option<Url> {
    let mut address = address;
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}").parse().ok()
}

async fn ask(address: &Url) -> Result<(), String> {
    let call = async {
        // As the daemons ask each other: whatever the environment says about proxies.
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(PATIENCE)
            .build()?;
        let answer = client
            .get(format!("{}/readyz", without_slash(address)))
            .send()
            .await?;
        Ok((answer.status(), answer.text().await.unwrap_or_default()))
    };
    match call.await {
        Ok((StatusCode::OK, _)) => Ok(()),
        Ok((status, body)) => Err(match message(&body) {
            Some(message) => message,
            None => format!("answers {status}"),
        }),
        Err(error) => Err(explain(&error)),
    }
}

fn explain(error: &reqwest::Error) -> String {
    match error.is_timeout() {
        true => no_answer(),
        false => format!("does not answer ({})", reason(error)),
    }
}

/// The sentence in the body of an error.
fn message(body: &str) -> Option<String> {
    let body: Value = serde_json::from_str(body).ok()?;
    Some(body["message"].as_str()?.to_owned())
}

/// The cluster file beside the config, as the clusterer would read it.
pub(super) fn cluster_file(loaded: &Loaded) -> Vec<Finding> {
    const NAME: &str = "cluster file";
    let environment = loaded.config.environment;
    let Some(file) = cluster_copy::beside(loaded.path.as_deref(), environment) else {
        return vec![Finding::ok(
            NAME,
            format!("no mewld-{environment}.yaml beside the config: built-in values"),
        )];
    };
    let shown = file.display();
    let read = match ClusterFile::load(&file) {
        Ok(read) => read,
        Err(error) => return vec![Finding::failed(NAME, Chain(&error).to_string())],
    };
    let mut findings: Vec<_> = read
        .unknown
        .iter()
        .map(|key| Finding::note(NAME, format!("{shown}: {key}")))
        .collect();
    let directory = file.parent().unwrap_or(Path::new(""));
    if let Err(error) = load_env_files(&read.env, directory) {
        findings.push(Finding::failed(NAME, Chain(&error).to_string()));
    }
    if let Err(error) = read.allows_proxy(loaded.config.proxy.enabled) {
        findings.push(Finding::failed(NAME, error.to_string()));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(NAME, shown.to_string()));
    }
    findings
}

/// How many clusterers answer one question. Hosts that share a fleet let one of them answer, so two
/// answers mean two fleets: every command of the bot would be answered twice.
pub(super) async fn clusterers(loaded: &Loaded, platform: Option<&Ready>) -> Option<Finding> {
    const NAME: &str = "clusterers";
    let config = &loaded.config;
    // A hub is a platform's own, and without a platform nobody is there to ask.
    if platform.is_none() && matches!(config.bus(), BusTarget::Hub(_)) {
        return None;
    }
    let file = cluster_copy::beside(loaded.path.as_deref(), config.environment);
    let file = file.and_then(|file| ClusterFile::load(&file).ok());
    let channel = file
        .and_then(|file| file.channel)
        .unwrap_or_else(|| bus::default_channel(config.environment));
    let answers = tokio::time::timeout(PATIENCE, count(config, &channel))
        .await
        .ok()??;
    match answers {
        0 if platform.is_some_and(|platform| platform.clusterer.is_some()) => {
            Some(Finding::failed(
                NAME,
                format!(
                    "the clusterer of this platform does not answer on the bus (channel {channel})"
                ),
            ))
        }
        0 => None,
        1 => Some(Finding::ok(
            NAME,
            format!("one fleet on the channel {channel}"),
        )),
        several => Some(Finding::failed(
            NAME,
            format!(
                "{several} fleets on the channel {channel}: each runs every shard, so the bot answers everything \
                 {several} times. Start the others with `splashtail webserver --no-clusterer`, or give each host \
                 its own shard_range"
            ),
        )),
    }
}

async fn count(config: &Config, channel: &str) -> Option<usize> {
    let bus = bus::connect(&config.bus(), channel).ok()?;
    let mut subscription = bus.subscribe(&[channel.to_owned()]).await.ok()?;
    let id = format!("doctor-{}", Uuid::new_v4().simple());
    let question = json!({"scope": "launcher", "action": "statuses", "command_id": id});
    bus.publish(channel, &question.to_string()).await.ok()?;
    let mut answers = 0;
    let deadline = tokio::time::Instant::now() + ANSWERS;
    while let Ok(Some(message)) =
        tokio::time::timeout_at(deadline, subscription.next_message()).await
    {
        let said: Value = serde_json::from_str(&message.payload).unwrap_or_default();
        answers += usize::from(said["scope"] == "bot" && said["command_id"] == id.as_str());
    }
    Some(answers)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use splashtail_core::environment::Environment;
    use splashtail_core::lifecycle::Lifecycle;
    use splashtail_ipc::hub::Hub;
    use tokio_util::sync::CancellationToken;

    use super::super::tests::http;
    use super::*;
    use crate::commands::finding::Status;

    fn loaded(root: &Path) -> Loaded {
        let _ = rustls::crypto::ring::default_provider().install_default();
        Loaded {
            config: Config::embedded(&root.join("data"), Environment::Staging),
            path: Some(root.join("config.yaml")),
            warnings: Vec::new(),
        }
    }

    fn platform(clusterer: Option<&str>) -> Ready {
        serde_json::from_value(json!({
            "ready": true, "data_dir": "/d", "dashboard": null, "api": null, "docs": null, "jobserver": null,
            "clusterer": clusterer, "iserver": {}, "sandbox": null, "logs": "/l",
            "pids": {"splashtail": 1, "bot": {}},
        }))
        .unwrap()
    }

    #[test]
    fn what_keeps_a_clusterer_from_starting_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let mut loaded = loaded(directory.path());
        let file = directory.path().join("mewld-staging.yaml");
        assert_eq!(cluster_file(&loaded)[0].status, Status::Ok);
        for (text, status, part) in [
            ("names: [Flare]\n", Status::Ok, "mewld-staging.yaml"),
            ("env: [bot.env]\n", Status::Failed, "bot.env"),
            ("per_cluser: 3\n", Status::Note, "did you mean per_cluster?"),
            ("per_cluster: 0\n", Status::Failed, "per_cluster"),
            ("names: [\n", Status::Failed, "not YAML"),
        ] {
            fs::write(&file, text).unwrap();
            let found = cluster_file(&loaded);
            assert_eq!(found[0].status, status, "{found:?}");
            assert!(found[0].detail.contains(part), "{found:?}");
        }
        fs::write(&file, "per_cluser: 3\nenv: [bot.env]\n").unwrap();
        assert_eq!(cluster_file(&loaded).len(), 2, "everything is said at once");
        // One of several hosts.
        fs::write(&file, "fixed_shard_count: 4\nshard_range: \"0-1\"\n").unwrap();
        assert_eq!(cluster_file(&loaded)[0].status, Status::Ok);
        loaded.config.proxy.enabled = true;
        let found = cluster_file(&loaded);
        assert!(found[0].status == Status::Failed && found[0].detail.contains("shard_range"));
    }

    #[tokio::test]
    async fn a_jobserver_that_is_down_or_lacks_something_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut config = loaded(directory.path()).config;
        let closed =
            splashtail_core::port_block::PortBlock::claim("127.0.0.1".parse().unwrap()).unwrap();
        config.meta.jobserver_urls = vec![
            format!("http://127.0.0.1:{}", closed.base())
                .parse()
                .unwrap(),
        ];
        let found = daemons(&config, None).await;
        assert_eq!(found[0].status, Status::Note, "{found:?}");
        let found = daemons(&config, Some(&platform(None))).await;
        assert_eq!(found[0].status, Status::Failed, "{found:?}");
        config.meta.jobserver_urls = vec![
            http(|_| {
                (
                    "503 Service Unavailable",
                    "{\"code\":\"c\",\"message\":\"Redis is away\"}".to_owned(),
                )
            })
            .await,
        ];
        let found = daemons(&config, Some(&platform(None))).await;
        assert!(found[0].detail.contains("Redis is away"), "{found:?}");
        config.meta.jobserver_urls = vec![http(|_| ("200 OK", "ready".to_owned())).await];
        assert_eq!(daemons(&config, None).await[0].status, Status::Ok);
    }

    /// Answers `statuses` like a clusterer, as often as there are fleets.
    async fn fleets(config: &Config, channel: &str, fleets: usize) {
        let bus = bus::connect(&config.bus(), channel).unwrap();
        let mut heard = bus.subscribe(&[channel.to_owned()]).await.unwrap();
        let channel = channel.to_owned();
        tokio::spawn(async move {
            while let Some(message) = heard.next_message().await {
                let said: Value = serde_json::from_str(&message.payload).unwrap_or_default();
                if said["scope"] != "launcher" {
                    continue;
                }
                let answer = json!({"scope": "bot", "action": "statuses", "command_id": said["command_id"], "output": {}});
                for _ in 0..fleets {
                    bus.publish(&channel, &answer.to_string()).await.unwrap();
                }
            }
        });
    }

    #[tokio::test]
    async fn two_fleets_on_one_bus_are_noticed() {
        for (number, status) in [(1, Status::Ok), (2, Status::Failed), (0, Status::Failed)] {
            let directory = tempfile::tempdir().unwrap();
            let loaded = loaded(directory.path());
            fs::create_dir(directory.path().join("data")).unwrap();
            let BusTarget::Hub(socket) = loaded.config.bus() else {
                panic!()
            };
            let channel = bus::default_channel(Environment::Staging);
            let lifecycle = Lifecycle::manual(CancellationToken::new());
            let hub = Hub::bind(&socket, &channel, &directory.path().join("log")).unwrap();
            let shutdown = lifecycle.shutdown();
            lifecycle
                .tasks()
                .spawn(async move { hub.serve(shutdown).await });
            fleets(&loaded.config, &channel, number).await;
            let found = clusterers(&loaded, Some(&platform(Some("http://127.0.0.1:1/")))).await;
            let found = found.unwrap();
            assert_eq!(found.status, status, "{found:?}");
            lifecycle.drain(Duration::from_secs(5)).await;
        }
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(clusterers(&loaded(directory.path()), None).await, None);
    }
}
