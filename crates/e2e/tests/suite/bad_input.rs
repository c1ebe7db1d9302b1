//! What an operator gets wrong: one clear message, nothing changed, nothing left running.

use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::json;
use splashtail_core::clock::SystemClock;
use splashtail_core::port_block::PortBlock;
use splashtail_e2e::backups::{self, ADMINISTRATOR, GUILD};
use splashtail_e2e::platform::{Engines, Platform, binary, signal};
use splashtail_ipc::signing::{Signer, tag};
use tempfile::TempDir;

fn splashtail(dir: &Path, args: &[&str]) -> Output {
    Command::new(binary("splashtail"))
        .args(args)
        .current_dir(dir)
        .env_remove("SPLASHTAIL_CONFIG")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn the_daemons_without_a_token_point_to_up() {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("config.yaml"), "meta: {}\n").unwrap();
    for command in ["webserver", "jobs"] {
        let output = splashtail(dir.path(), &[command]);
        assert_eq!(output.status.code(), Some(1), "{command}: {output:?}");
        assert!(
            stderr(&output).contains("splashtail up"),
            "{command}: {}",
            stderr(&output)
        );
    }
    assert!(!dir.path().join("data").exists(), "nothing was created");
}

#[test]
fn every_config_problem_is_reported_at_once() {
    let dir = TempDir::new().unwrap();
    let config = "meta:\n  port: ':8081'\n  jobserver_prot: 1\nobject_storage:\n  type: s3\n";
    std::fs::write(dir.path().join("config.yaml"), config).unwrap();
    let output = splashtail(dir.path(), &["up"]);
    assert_eq!(output.status.code(), Some(1));
    let text = stderr(&output);
    assert!(text.contains("2 problems"), "{text}");
    assert!(
        text.contains("meta.port") && text.contains("object_storage.type"),
        "{text}"
    );
    assert!(text.contains("is not one of: s3-like, local"), "{text}");
    assert!(!dir.path().join("data").exists(), "nothing was created");
}

#[test]
fn a_busy_port_is_named() {
    let dir = TempDir::new().unwrap();
    // A token, so that no sandbox is started, whose ports cannot be chosen.
    let block = ports();
    let [port, admin, jobserver, clusterer] = [0, 1, 2, 3].map(|n| block.base() + n);
    let config = format!(
        "discord_auth:\n  token: nobodys\n  client_id: \"1100000000000000001\"\n  \
         client_secret: none\nmeta:\n  bind_addr: 127.0.0.1\n  port: {port}\n  \
         admin_port: {admin}\n  jobserver_port: {jobserver}\n  clusterer_port: {clusterer}\n"
    );
    std::fs::write(dir.path().join("config.yaml"), config).unwrap();
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let output = splashtail(dir.path(), &["up"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let text = stderr(&output);
    assert!(text.contains(&format!("127.0.0.1:{port}")), "{text}");
    assert!(text.contains("`meta.port`"), "{text}");
}

#[tokio::test]
async fn an_unreachable_database_is_tried_again_and_said() {
    let closed = ports();
    let url = format!("postgresql://me:very-secret@127.0.0.1:{}/x", closed.base());
    said_while_trying(
        &format!("meta:\n  postgres_url: {url}\n"),
        "meta.postgres_url",
        2,
    )
    .await;
}

#[tokio::test]
async fn an_unreachable_redis_is_tried_again_and_said() {
    let closed = ports();
    let url = format!("redis://:very-secret@127.0.0.1:{}/0", closed.base());
    said_while_trying(&format!("meta:\n  redis_url: {url}\n"), "meta.redis_url", 1).await;
}

/// Ports on which nobody listens.
fn ports() -> PortBlock {
    PortBlock::claim(Ipv4Addr::LOCALHOST.into()).unwrap()
}

/// `up` goes on trying, names the key as often as asked for, and stops when told to.
async fn said_while_trying(config: &str, key: &str, times: usize) {
    let dir = TempDir::new().unwrap();
    std::fs::write(dir.path().join("config.yaml"), config).unwrap();
    let log = dir.path().join("log");
    let mut child = tokio::process::Command::new(binary("splashtail"))
        .args(["up", "--free-ports"])
        .current_dir(dir.path())
        .env_remove("SPLASHTAIL_CONFIG")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(std::fs::File::create(&log).unwrap())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(120);
    let text = loop {
        let text = std::fs::read_to_string(&log).unwrap();
        if text.matches(key).count() >= times {
            break text;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "{key} is not named:\n{text}"
        );
        assert!(child.try_wait().unwrap().is_none(), "it gave up:\n{text}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    assert!(!text.contains("very-secret"), "{text}");
    signal(child.id().unwrap(), Signal::SIGTERM).unwrap();
    let ended = child.wait().await.unwrap();
    assert!(ended.code().is_some(), "it ends by itself: {ended:?}");
}

/// One running platform for all refusals, because a start takes seconds.
#[tokio::test]
async fn a_running_platform_refuses() {
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();

    // A second one on the same data directory.
    let data = platform.ready.data_dir.display().to_string();
    let second = splashtail(platform.dir(), &["up", "--free-ports", "--data-dir", &data]);
    assert_eq!(second.status.code(), Some(1), "{second:?}");
    assert!(
        stderr(&second).contains("already in use"),
        "{}",
        stderr(&second)
    );

    // Options that make no sense.
    for options in [
        json!({"attachments": true}),
        json!({"messages": true, "max_messages": 501}),
        json!({"messages": true, "per_channel": 10}),
        json!({"messages": true, "special_allocations": "nonsense"}),
        json!({"messages": true, "special_allocations": "1=5"}),
        json!({"backup_guild_assets": "icon,nonsense"}),
    ] {
        let seen = backups::command(
            &platform,
            GUILD,
            ADMINISTRATOR,
            "backups create",
            options.clone(),
        )
        .await
        .unwrap();
        assert!(seen.ack_ms.is_some(), "{options}: {seen:?}");
        let started = backups::create_started(&seen);
        assert!(!started, "{options} must be refused: {:?}", seen.messages);
        assert!(!seen.messages.is_empty(), "{options}: the user is told why");
    }

    calls_to_the_jobserver(&platform).await;
    assert!(platform.stop().await.unwrap().is_empty());
}

async fn calls_to_the_jobserver(platform: &Platform) {
    let secret = backups::client_secret(platform, "bot").unwrap();
    let url = platform
        .ready
        .jobserver
        .as_ref()
        .unwrap()
        .join("ipc/create_task")
        .unwrap();
    let client = reqwest::Client::new();
    let body = |name: &str| json!({"args": {"name": name, "execute": true, "data": {"ServerID": GUILD, "Options": {}}}});
    let request = |body: &serde_json::Value| client.post(url.clone()).json(body).build().unwrap();
    let signer = |secret: &str| {
        Signer::new(
            "bot",
            secret.to_owned().into(),
            tag::JOBSERVER,
            SystemClock::shared(),
        )
    };
    let refusal = async |request: reqwest::Request| {
        let response = client.execute(request).await.unwrap();
        let status = response.status().as_u16();
        let body: serde_json::Value = response.json().await.unwrap();
        assert!(
            body["code"].is_string() && body["message"].is_string(),
            "{body}"
        );
        status
    };

    assert_eq!(
        refusal(request(&body("guild_create_backup"))).await,
        401,
        "no signature"
    );

    let mut forged = request(&body("guild_create_backup"));
    signer("not the secret, but just as long as one")
        .sign(&mut forged)
        .unwrap();
    assert_eq!(refusal(forged).await, 401, "wrong secret");

    let mut changed = request(&body("guild_create_backup"));
    signer(&secret).sign(&mut changed).unwrap();
    *changed.body_mut() = Some(reqwest::Body::from(
        serde_json::to_vec(&body("other")).unwrap(),
    ));
    assert_eq!(
        refusal(changed).await,
        401,
        "another body under the same signature"
    );

    let mut unknown = request(&body("no_such_task"));
    signer(&secret).sign(&mut unknown).unwrap();
    let replay = unknown.try_clone().unwrap();
    assert_eq!(refusal(unknown).await, 400, "unknown task");
    assert_eq!(refusal(replay).await, 401, "the same nonce again");
}
