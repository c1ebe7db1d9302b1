//! Can the engines and Discord be reached with what is configured? One attempt each, no retry, and
//! the reason on failure.

use std::error::Error;
use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore, ObjectStoreExt};
use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use splashtail_core::config::{BusTarget, Config, DatabaseTarget, ObjectStorage, without_slash};
use splashtail_storage::Storage;
use tokio::net::TcpStream;
use url::Url;

use super::finding::Finding;

/// Longest wait for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Probes the database, the bus, the object storage and the bot account, all at the same time.
pub async fn everything(config: &Config) -> Vec<Finding> {
    let bus = config.bus();
    let (database, redis, bot_redis, objects, token) = tokio::join!(
        database(config),
        redis(&bus, "meta.redis_url"),
        bot_redis(config),
        objects(config),
        bot_token(config),
    );
    let mut findings = vec![database, redis];
    findings.extend(bot_redis);
    findings.extend([objects, token]);
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

async fn bot_redis(config: &Config) -> Option<Finding> {
    config.meta.bot_redis_url.as_ref()?;
    Some(redis(&config.bot_bus(), "meta.bot_redis_url").await)
}

async fn redis(target: &BusTarget, key: &str) -> Finding {
    let url = match target {
        BusTarget::Hub(path) => {
            return Finding::ok("Redis", format!("not used, the bus is {}", path.display()));
        }
        BusTarget::Redis(url) => url,
    };
    let place = masked(url);
    match tokio::time::timeout(PATIENCE, ping_redis(url)).await {
        Ok(Ok(())) => Finding::ok("Redis", place),
        Ok(Err(error)) => Finding::failed("Redis", format!("{key}: {place}: {}", reason(&error))),
        Err(_) => Finding::failed("Redis", format!("{key}: {place}: {}", no_answer())),
    }
}

async fn ping_redis(url: &SecretString) -> Result<(), redis::RedisError> {
    let client = redis::Client::open(url.expose_secret())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING")
        .query_async::<String>(&mut connection)
        .await?;
    Ok(())
}

async fn objects(config: &Config) -> Finding {
    const NAME: &str = "object storage";
    match &config.object_storage {
        ObjectStorage::Local { path } => match writable(path) {
            Ok(()) => Finding::ok(NAME, path.display().to_string()),
            Err(error) => Finding::failed(
                NAME,
                format!("object_storage.path: {}: {error}", path.display()),
            ),
        },
        ObjectStorage::S3Like {
            bucket, endpoint, ..
        } => {
            let place = format!("{}/{bucket}", without_slash(endpoint));
            match tokio::time::timeout(PATIENCE, bucket_answers(&config.object_storage)).await {
                Ok(Ok(())) => Finding::ok(NAME, place),
                Ok(Err(error)) => {
                    Finding::failed(NAME, format!("object_storage: {place}: {}", reason(&error)))
                }
                Err(_) => Finding::failed(
                    NAME,
                    format!("object_storage.endpoint: {place}: {}", no_answer()),
                ),
            }
        }
    }
}

/// The bucket answers and the keys are accepted: it says that it does not have an object nobody
/// wrote.
async fn bucket_answers(storage: &ObjectStorage) -> Result<(), object_store::Error> {
    let ObjectStorage::S3Like {
        bucket,
        endpoint,
        access_key,
        secret_key,
        secure,
        ..
    } = storage
    else {
        return Ok(());
    };
    let store: Box<dyn ObjectStore> = Box::new(
        AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_endpoint(without_slash(endpoint))
            .with_region("us-east-1")
            .with_access_key_id(access_key.expose_secret())
            .with_secret_access_key(secret_key.expose_secret())
            .with_allow_http(!secure)
            .with_retry(object_store::RetryConfig {
                max_retries: 0,
                ..Default::default()
            })
            .build()?,
    );
    match store
        .get(&object_store::path::Path::from("splashtail-probe"))
        .await
    {
        Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(error),
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

async fn bot_token(config: &Config) -> Finding {
    const NAME: &str = "bot account";
    let Some(token) = &config.discord_auth.token else {
        return Finding::note(
            NAME,
            "discord_auth.token is empty: `splashtail up` runs on the Discord sandbox",
        );
    };
    let base = without_slash(config.discord_api());
    match identify(base, token).await {
        Ok(name) => Finding::ok(NAME, format!("{name} at {base}")),
        Err(IdentifyError::Refused) => Finding::failed(
            NAME,
            format!(
                "discord_auth.token: {base} refuses it; copy it again from the developer portal"
            ),
        ),
        Err(IdentifyError::Status(status)) => {
            Finding::failed(NAME, format!("discord_auth.token: {base} answers {status}"))
        }
        Err(IdentifyError::Call(error)) => {
            let key = if config.meta.proxy.is_some() {
                "meta.proxy"
            } else {
                "discord.api_base"
            };
            Finding::failed(NAME, format!("{key}: {base}: {}", call_reason(&error)))
        }
    }
}

fn call_reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        no_answer()
    } else {
        reason(error)
    }
}

enum IdentifyError {
    Refused,
    Status(StatusCode),
    Call(reqwest::Error),
}

impl From<reqwest::Error> for IdentifyError {
    fn from(error: reqwest::Error) -> Self {
        Self::Call(error)
    }
}

#[derive(Deserialize)]
struct Account {
    username: String,
}

async fn identify(base: &str, token: &SecretString) -> Result<String, IdentifyError> {
    let client = reqwest::Client::builder().timeout(PATIENCE).build()?;
    let response = client
        .get(format!("{base}/api/v10/users/@me"))
        .header("Authorization", format!("Bot {}", token.expose_secret()))
        .header(
            "User-Agent",
            "DiscordBot (https://github.com/anti-raid/splashtail, 0.1)",
        )
        .send()
        .await?;
    match response.status() {
        StatusCode::OK => Ok(response.json::<Account>().await?.username),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Err(IdentifyError::Refused),
        status => Err(IdentifyError::Status(status)),
    }
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
mod tests {
    use std::net::Ipv4Addr;

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

    async fn discord(answer: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).to_ascii_lowercase();
            assert!(request.starts_with("get /api/v10/users/@me "), "{request}");
            assert!(request.contains("authorization: bot hunter2"), "{request}");
            stream.write_all(answer.as_bytes()).await.unwrap();
        });
        format!("http://{address}").parse().unwrap()
    }

    #[tokio::test]
    async fn embedded_engines_are_fine() {
        let (_data, config) = config();
        let findings = everything(&config).await;
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
            secure: false,
            cdn_secure: false,
        };
        config.discord_auth.token = Some("hunter2".into());
        config.discord.api_base = format!("http://127.0.0.1:{port}").parse().unwrap();
        let findings = everything(&config).await;
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

    #[tokio::test]
    async fn a_refused_token_is_told_from_an_accepted_one() {
        let (_data, mut config) = config();
        config.discord_auth.token = Some("hunter2".into());
        config.discord.api_base = discord(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 21\r\n\r\n{\"username\":\"waffle\"}",
        )
        .await;
        let finding = bot_token(&config).await;
        assert_eq!(finding.status, Status::Ok, "{finding:?}");
        assert!(finding.detail.starts_with("waffle"), "{finding:?}");
        config.discord.api_base =
            discord("HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").await;
        let finding = bot_token(&config).await;
        assert!(finding.detail.contains("refuses it"), "{finding:?}");
        assert!(!finding.detail.contains("hunter2"), "{finding:?}");
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
