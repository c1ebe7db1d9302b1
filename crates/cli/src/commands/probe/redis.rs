//! Does Redis take what we would give it? A server that answers PING may still refuse the password
//! or every write.

use redis::RedisError;
use secrecy::{ExposeSecret, SecretString};
use splashtail_core::config::{BusTarget, Config};
use uuid::Uuid;

use super::{PATIENCE, masked, no_answer, reason};
use crate::commands::finding::Finding;

const NAME: &str = "Redis";
/// Of its limit; above this a server is nearly full.
const NEARLY_FULL: f64 = 0.9;

/// The bus and cache of the platform, and the bot's way to them when it is another.
pub(super) async fn all(config: &Config) -> Vec<Finding> {
    let bus = config.bus();
    let mut findings = vec![one(&bus, "meta.redis_url").await];
    if config.meta.bot_redis_url.is_some() {
        findings.push(one(&config.bot_bus(), "meta.bot_redis_url").await);
    }
    findings
}

async fn one(target: &BusTarget, key: &str) -> Finding {
    let url = match target {
        BusTarget::Hub(path) => {
            return Finding::ok(NAME, format!("not used, the bus is {}", path.display()));
        }
        BusTarget::Redis(url) => url,
    };
    let place = masked(url);
    match tokio::time::timeout(PATIENCE, try_out(url)).await {
        Ok(Ok(Memory::Enough)) => Finding::ok(NAME, place),
        Ok(Ok(Memory::Little(why))) => Finding::note(NAME, format!("{place}: {why}")),
        Ok(Err(error)) => Finding::failed(NAME, format!("{key}: {place}: {}", explain(&error))),
        Err(_) => Finding::failed(NAME, format!("{key}: {place}: {}", no_answer())),
    }
}

enum Memory {
    Enough,
    Little(String),
}

/// Writes a key that ends by itself, and looks at the memory.
async fn try_out(url: &SecretString) -> Result<Memory, RedisError> {
    let client = redis::Client::open(url.expose_secret())?;
    let mut connection = client.get_multiplexed_async_connection().await?;
    let key = format!("splashtail:probe:{}", Uuid::new_v4().simple());
    let () = redis::cmd("SET")
        .arg(&key)
        .arg("1")
        .arg("EX")
        .arg(5)
        .query_async(&mut connection)
        .await?;
    let () = redis::cmd("DEL")
        .arg(&key)
        .query_async(&mut connection)
        .await?;
    // An account may be kept from looking; that is no fault.
    let info: String = redis::cmd("INFO")
        .arg("memory")
        .query_async(&mut connection)
        .await
        .unwrap_or_default();
    Ok(memory(&info))
}

/// From the answer to `INFO memory`.
fn memory(info: &str) -> Memory {
    let field = |name: &str| {
        let value = |line: &str| {
            Some(
                line.strip_prefix(name)?
                    .strip_prefix(':')?
                    .trim()
                    .to_owned(),
            )
        };
        info.lines().find_map(value)
    };
    let number = |name| field(name).and_then(|text| text.parse::<f64>().ok());
    let (limit, used) = (number("maxmemory").unwrap_or(0.0), number("used_memory"));
    let policy = field("maxmemory_policy").unwrap_or_default();
    match used {
        Some(used) if limit > 0.0 && used >= limit * NEARLY_FULL => Memory::Little(format!(
            "uses {:.0} % of its maxmemory; when it is full logins and commands fail",
            used / limit * 100.0
        )),
        _ if limit > 0.0 && policy.starts_with("allkeys") => Memory::Little(format!(
            "maxmemory-policy {policy} may drop what protects from replays: use volatile-ttl or noeviction"
        )),
        _ => Memory::Enough,
    }
}

fn explain(error: &RedisError) -> String {
    match error.code() {
        Some("NOAUTH") => "it asks for a password: redis://:PASSWORD@host".to_owned(),
        Some("WRONGPASS") => "it refuses the user or the password".to_owned(),
        Some("OOM") => {
            "it takes no more: it is at its maxmemory, and what is in it does not end by itself"
                .to_owned()
        }
        Some("NOPERM") => format!("the account may not do this: {}", reason(error)),
        _ if error.kind() == redis::ErrorKind::AuthenticationFailed => {
            "it refuses the user or the password".to_owned()
        }
        _ => reason(error),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
    use tokio::net::TcpListener;

    use super::*;
    use crate::commands::finding::Status;

    /// A server that answers each command of one connection as told.
    async fn server(answer: fn(&str) -> String) -> SecretString {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            loop {
                line.clear();
                if stream.read_line(&mut line).await.unwrap() == 0 {
                    return;
                }
                let words: usize = line.trim_start_matches('*').trim().parse().unwrap();
                let mut command = String::new();
                for at in 0..words {
                    line.clear();
                    stream.read_line(&mut line).await.unwrap();
                    let length: usize = line.trim_start_matches('$').trim().parse().unwrap();
                    let mut word = vec![0; length + 2];
                    stream.read_exact(&mut word).await.unwrap();
                    if at == 0 {
                        command = String::from_utf8_lossy(&word).trim().to_ascii_uppercase();
                    }
                }
                let said = answer(&command);
                stream.get_mut().write_all(said.as_bytes()).await.unwrap();
            }
        });
        format!("redis://:hunter2@{address}/").into()
    }

    async fn finding(answer: fn(&str) -> String) -> Finding {
        let url = server(answer).await;
        let finding = one(&BusTarget::Redis(url), "meta.redis_url").await;
        assert!(!finding.detail.contains("hunter2"), "{finding:?}");
        finding
    }

    fn bulk(text: &str) -> String {
        format!("${}\r\n{text}\r\n", text.len())
    }

    #[tokio::test]
    async fn a_full_server_is_not_ok() {
        let found = finding(|command| match command {
            "SET" => "-OOM command not allowed when used memory > 'maxmemory'.\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        })
        .await;
        assert_eq!(found.status, Status::Failed);
        assert!(found.detail.contains("maxmemory"), "{found:?}");
    }

    #[tokio::test]
    async fn a_password_that_is_wrong_or_missing_is_said() {
        let found = finding(|command| match command {
            "AUTH" | "HELLO" => {
                "-WRONGPASS invalid username-password pair or user is disabled.\r\n".to_owned()
            }
            _ => "-NOAUTH Authentication required.\r\n".to_owned(),
        })
        .await;
        assert_eq!(found.status, Status::Failed);
        assert!(found.detail.contains("password"), "{found:?}");
        let found = finding(|command| match command {
            "AUTH" | "HELLO" | "CLIENT" => "+OK\r\n".to_owned(),
            _ => "-NOAUTH Authentication required.\r\n".to_owned(),
        })
        .await;
        assert!(found.detail.contains("asks for a password"), "{found:?}");
    }

    #[tokio::test]
    async fn little_memory_is_a_note() {
        let found = finding(|command| match command {
            "INFO" => bulk(
                "# Memory\r\nused_memory:950\r\nmaxmemory:1000\r\nmaxmemory_policy:noeviction\r\n",
            ),
            "DEL" => ":1\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        })
        .await;
        assert_eq!(found.status, Status::Note, "{found:?}");
        assert!(found.detail.contains("95 %"), "{found:?}");
        assert!(matches!(
            memory("maxmemory:0\r\nused_memory:5\r\n"),
            Memory::Enough
        ));
        assert!(matches!(memory(""), Memory::Enough));
        let evicts = "maxmemory:1000\nused_memory:1\nmaxmemory_policy:allkeys-lru\n";
        assert!(matches!(memory(evicts), Memory::Little(why) if why.contains("allkeys-lru")));
    }

    #[tokio::test]
    #[ignore = "needs REDIS_URL"]
    async fn a_real_server_is_ok() {
        let url = std::env::var("REDIS_URL").unwrap();
        let found = one(&BusTarget::Redis(url.into()), "meta.redis_url").await;
        assert_eq!(found.status, Status::Ok, "{found:?}");
    }
}
