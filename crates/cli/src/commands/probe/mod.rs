//! Can the engines and Discord be reached with what is configured, and will they do what is asked of
//! them? One attempt each, no retry, and the reason on failure.

mod discord;
mod modules;
mod objects;
mod platform;
mod redis;

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use splashtail_core::config::{Config, DatabaseTarget, Loaded};
use splashtail_storage::Storage;
use tokio::net::TcpStream;
use url::Url;

use super::finding::Finding;
use crate::supervisor::report::Ready;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Probes the engines, the bot account and, where a platform runs, its daemons, all at the same
/// time.
pub async fn everything(loaded: &Loaded, platform: Option<&Ready>) -> Vec<Finding> {
    let config = &loaded.config;
    let (database, redis, objects, discord, daemons, clusterers, modules) = tokio::join!(
        database(config),
        redis::all(config),
        objects::objects(config),
        discord::discord(config, platform),
        platform::daemons(config, platform),
        platform::clusterers(loaded, platform),
        modules::needs(config, platform),
    );
    let mut findings = vec![database];
    findings.extend(redis);
    findings.push(objects);
    findings.extend(discord);
    findings.extend(platform::cluster_file(loaded));
    findings.extend(daemons);
    findings.extend(clusterers);
    findings.extend(modules);
    findings
}

async fn database(config: &Config) -> Finding {
    let target = config.database();
    let (name, place) = match &target {
        DatabaseTarget::Sqlite(path) => ("SQLite", path.display().to_string()),
        DatabaseTarget::Postgres(url) => ("PostgreSQL", masked(url)),
    };
    if let DatabaseTarget::Sqlite(path) = &target
        && !path.exists()
    {
        return Finding::ok(name, format!("{place}, made at the first start"));
    }
    let key = match &target {
        DatabaseTarget::Sqlite(_) => "data_dir",
        DatabaseTarget::Postgres(_) => "meta.postgres_url",
    };
    match tokio::time::timeout(PATIENCE, ask_database(&target)).await {
        Ok(Ok(())) => Finding::ok(name, place),
        Ok(Err(reason)) => Finding::failed(name, format!("{key}: {place}: {reason}")),
        Err(_) => Finding::failed(name, format!("{key}: {place}: {}", no_answer())),
    }
}

async fn ask_database(target: &DatabaseTarget) -> Result<(), String> {
    if let DatabaseTarget::Postgres(url) = target {
        knock(url).await.map_err(|error| error.to_string())?;
    }
    Storage::probe(target).await.map_err(|error| reason(&error))
}

/// A connection pool takes a refused connection for a server that is still starting, and in the
/// end only says that it waited. This tells why.
async fn knock(url: &SecretString) -> io::Result<()> {
    const POSTGRES_PORT: u16 = 5432;
    let Ok(url) = Url::parse(url.expose_secret()) else {
        return Ok(());
    };
    match url.host_str().filter(|host| !host.is_empty()) {
        // A percent-encoded host is the directory of a socket.
        Some(host) if !host.contains('%') => {
            TcpStream::connect((host, url.port().unwrap_or(POSTGRES_PORT)))
                .await
                .map(drop)
        }
        _ => Ok(()),
    }
}

/// The directory can be written to; one that is not there yet can be made.
pub fn writable(directory: &Path) -> io::Result<()> {
    let existing = directory
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"));
    if !fs::metadata(existing)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    tempfile::Builder::new()
        .prefix(".splashtail-probe")
        .tempfile_in(existing)
        .map(drop)
}

/// The innermost cause: the errors around it repeat the address and each other.
fn reason(error: &(dyn Error + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}

fn no_answer() -> String {
    format!("no answer within {} s", PATIENCE.as_secs())
}

/// An engine's address without user and password.
pub fn masked(url: &SecretString) -> String {
    let Ok(mut url) = Url::parse(url.expose_secret()) else {
        return "set".to_owned();
    };
    // Without a host there is nobody to log in as; then these refuse and nothing is lost.
    let _ = url.set_password(None);
    let _ = url.set_username("");
    // Drivers accept credentials in the query, too.
    url.set_query(None);
    url.to_string()
}

#[cfg(test)]
pub(super) mod tests {
    use std::net::Ipv4Addr;

    use splashtail_core::config::ObjectStorage;
    use splashtail_core::environment::Environment;
    use splashtail_core::port_block::PortBlock;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::commands::finding::Status;

    fn config() -> (tempfile::TempDir, Config) {
        // Another test of this process may have been first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let data = tempfile::tempdir().unwrap();
        let config = Config::embedded(data.path(), Environment::Staging);
        (data, config)
    }

    fn loaded(config: Config) -> Loaded {
        Loaded {
            config,
            path: None,
            warnings: Vec::new(),
        }
    }

    /// A server that answers each request, given as `METHOD /path`, and then hangs up.
    pub(super) async fn http(
        answer: impl Fn(&str) -> (&'static str, String) + Send + 'static,
    ) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 8192];
                let read = stream.read(&mut request).await.unwrap();
                let text = String::from_utf8_lossy(&request[..read]).into_owned();
                let line = text.lines().next().unwrap_or_default();
                let (status, body) = answer(line.trim_end_matches(" HTTP/1.1"));
                let length = body.len();
                let answer = format!(
                    "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n\
                     content-length: {length}\r\n\r\n{body}"
                );
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        format!("http://{address}").parse().unwrap()
    }

    #[tokio::test]
    async fn embedded_engines_are_fine() {
        let (_data, config) = config();
        let findings = everything(&loaded(config), None).await;
        assert!(
            findings
                .iter()
                .all(|finding| finding.status != Status::Failed),
            "{findings:?}"
        );
    }

    #[tokio::test]
    async fn unreachable_engines_name_the_key_and_hide_the_password() {
        let (_data, mut config) = config();
        let closed = PortBlock::claim(Ipv4Addr::LOCALHOST.into()).unwrap();
        let port = closed.base();
        config.meta.postgres_url =
            Some(format!("postgresql://me:hunter2@127.0.0.1:{port}/db?password=hunter2").into());
        config.meta.redis_url = Some(format!("redis://:hunter2@127.0.0.1:{port}/1").into());
        config.object_storage = ObjectStorage::S3Like {
            bucket: "b".to_owned(),
            endpoint: format!("http://127.0.0.1:{port}").parse().unwrap(),
            cdn_endpoint: None,
            access_key: "hunter2".into(),
            secret_key: "hunter2".into(),
            region: "us-east-1".into(),
            secure: false,
            cdn_secure: false,
        };
        config.discord_auth.token = Some("hunter2".into());
        config.discord.api_base = format!("http://127.0.0.1:{port}").parse().unwrap();
        let findings = everything(&loaded(config), None).await;
        for (finding, key) in findings.iter().zip([
            "meta.postgres_url",
            "meta.redis_url",
            "object_storage",
            "discord.api_base",
        ]) {
            assert_eq!(finding.status, Status::Failed, "{finding:?}");
            assert!(finding.detail.starts_with(key), "{finding:?}");
            assert!(!finding.detail.contains("hunter2"), "{finding:?}");
        }
    }

    #[test]
    fn a_file_in_the_way_of_a_directory_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(writable(&file.join("objects")).is_err());
        writable(&directory.path().join("a/b")).unwrap();
    }
}
