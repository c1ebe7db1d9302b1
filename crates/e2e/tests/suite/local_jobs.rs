//! `splashtail localjobs` and `splashtail backup`, as an operator types them: a directory, a token, a
//! simulated Discord, and nothing else of ours.

use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use splashtail_core::clock::{Clock as _, SystemClock};
use splashtail_e2e::platform::binary;
use splashtail_sandbox::control::types::NewUser;
use splashtail_sandbox::gateway::Settings;
use splashtail_sandbox::server::{Running, start};
use splashtail_sandbox_world::clock::SandboxClock;
use splashtail_sandbox_world::seed::small;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

const GUILD: &str = "1100000000001179648";
/// Of a single command, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

struct Desk {
    sandbox: Running,
    directory: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let clock = Arc::new(SandboxClock::new(SystemClock.now()));
        let sandbox = start("small", 1, clock, Settings::default(), true)
            .await
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        std::fs::write(directory.path().join("token"), small::bot_token()).unwrap();
        std::fs::write(directory.path().join("password"), "correct horse\n").unwrap();
        Self { sandbox, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Without the operator's own variables, in the directory of this desk.
    fn splashtail(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary("splashtail"));
        command
            .args(arguments)
            .current_dir(self.directory.path())
            .env_remove("SPLASHTAIL_BOT_TOKEN")
            .env_remove("SPLASHTAIL_BACKUP_PASSWORD")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }

    fn job(&self, arguments: &[&str]) -> Command {
        let mut command = self.splashtail(&["localjobs"]);
        let rest = self.sandbox.rest.as_str();
        command.args(arguments).args([
            "--json",
            "--token-file",
            "token",
            "--api",
            rest,
            "--cdn",
            rest,
        ]);
        command
    }
}

async fn finished(command: &mut Command) -> Output {
    tokio::time::timeout(PATIENCE, command.output())
        .await
        .unwrap()
        .unwrap()
}

fn events(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn failure(output: &Output) -> (i32, String) {
    let all = [&output.stdout[..], &output.stderr[..]].concat();
    (
        output.status.code().unwrap(),
        String::from_utf8(all).unwrap(),
    )
}

fn files(directory: &Path) -> Vec<String> {
    let names = std::fs::read_dir(directory).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_made_looked_at_and_rehearsed_without_any_daemon() {
    let desk = Desk::new().await;
    let made = finished(&mut desk.job(&[
        "run",
        "guild_create_backup",
        "--server",
        GUILD,
        "-F",
        "BackupMessages=true",
        "-F",
        "BackupAttachments=true",
        "-F",
        "MaxMessages=200",
        "-F",
        "PerChannel=20",
        "-F",
        "BackupMembers=true",
        "--password-file",
        "password",
        "--output",
        "a.iblfile",
    ]))
    .await;
    let told = events(&made);
    assert_eq!(made.status.code(), Some(0), "{told:#?}");
    let kinds: Vec<_> = told
        .iter()
        .map(|event| event["event"].as_str().unwrap())
        .collect();
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("created", "end"));
    assert!(
        kinds.contains(&"progress") && kinds.contains(&"log"),
        "{kinds:?}"
    );
    let text = String::from_utf8(made.stdout).unwrap();
    assert!(
        !text.contains("correct horse"),
        "the password is in no output"
    );

    let password = ["--password-file", "password"];
    let verified = finished(
        desk.splashtail(&["backup", "verify", "a.iblfile"])
            .args(password),
    )
    .await;
    assert!(verified.status.success(), "{:?}", failure(&verified));
    let extracted = finished(
        desk.splashtail(&["backup", "extract", "a.iblfile", "--to", "out"])
            .args(password),
    )
    .await;
    assert!(extracted.status.success(), "{:?}", failure(&extracted));
    let members = std::fs::read(desk.path("out/ext_members.json")).unwrap();
    let members: Value = serde_json::from_slice(&members).unwrap();
    let names: Vec<_> = members
        .as_array()
        .unwrap()
        .iter()
        .map(|m| &m["user"]["username"])
        .collect();
    assert!(
        names.contains(&&json!("olivia")) && names.len() == 6,
        "{names:?}"
    );
    assert!(
        files(&desk.path("out"))
            .iter()
            .any(|name| name.ends_with("-notes.txt"))
    );

    let same = finished(
        desk.splashtail(&["backup", "diff", "a.iblfile", "a.iblfile"])
            .args(password),
    )
    .await;
    assert_eq!(failure(&same), (0, "There is no difference.\n".to_owned()));

    let rehearsed = finished(
        desk.splashtail(&["backup", "rehearse", "a.iblfile", "--json"])
            .args(password),
    )
    .await;
    let (code, said) = failure(&rehearsed);
    assert!([0, 5].contains(&code), "{code} {said}");
    let answer = said
        .lines()
        .find(|line| line.starts_with("{\"complete\""))
        .unwrap();
    let answer: Value = serde_json::from_str(answer).unwrap();
    assert!(answer["made"].as_u64().unwrap() > 10, "{answer}");
    assert_eq!(answer["complete"], code == 0);
    for item in answer["missing"].as_array().unwrap() {
        assert!(!item["why"].as_str().unwrap().is_empty(), "{item}");
    }

    let listed = finished(&mut desk.splashtail(&["localjobs", "list", "--json"])).await;
    assert_eq!(events(&listed)[0]["state"], "completed");
}

/// Ctrl-C stops it, and nothing that was read is read again.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_job_is_resumed() {
    let desk = Desk::new().await;
    // Slow enough to be met in the middle.
    let control = desk.sandbox.client().unwrap();
    let slow = json!({"match": {"method": "GET", "route": "/channels/{channel_id}/messages"},
        "action": {"type": "latency", "ms": 500}});
    control
        .add_fault(&serde_json::from_value(slow).unwrap())
        .await
        .unwrap();
    let mut child = desk
        .job(&[
            "run",
            "guild_create_backup",
            "--server",
            GUILD,
            "-F",
            "BackupMessages=true",
            "-F",
            "MaxMessages=1500",
            "-F",
            "PerChannel=1300",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let interrupted = async {
        let (mut id, mut sent) = (None, false);
        while let Some(line) = lines.next_line().await.unwrap() {
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["event"] == "created" {
                id = event["task_id"].as_str().map(str::to_owned);
            }
            let read = event["event"] == "progress" && event["what"] == "messages";
            if read && !sent {
                sent = true;
                let process = i32::try_from(child.id().unwrap()).unwrap();
                kill(Pid::from_raw(process), Signal::SIGINT).unwrap();
            }
        }
        (id.unwrap(), child.wait().await.unwrap())
    };
    let (id, status) = tokio::time::timeout(PATIENCE, interrupted).await.unwrap();
    assert_eq!(status.code(), Some(130));
    let listed = finished(&mut desk.splashtail(&["localjobs", "list", "--json"])).await;
    assert_eq!(events(&listed)[0]["state"], "running");
    control.clear_faults().await.unwrap();
    let resumed = finished(&mut desk.job(&["resume", "--output", "b.iblfile"])).await;
    let told = events(&resumed);
    assert_eq!(resumed.status.code(), Some(0), "{told:#?}");
    assert_eq!(told[0]["task_id"], id);
    let verified = finished(&mut desk.splashtail(&["backup", "verify", "b.iblfile"])).await;
    assert!(verified.status.success(), "{:?}", failure(&verified));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_are_banned_and_freed() {
    let desk = Desk::new().await;
    let control = desk.sandbox.client().unwrap();
    let raider = NewUser {
        username: Some("raider".to_owned()),
        ..NewUser::default()
    };
    let raider = control.create_user(&raider).await.unwrap();
    let raider = raider["id"].as_str().unwrap();
    let (bot, owner) = (small::APPLICATION.to_string(), small::OWNER.to_string());
    let users = format!("Users={raider},{bot},{owner}");
    let run = ["run", "mass_ban", "--server", GUILD, "--yes"];
    let told = finished(
        desk.job(&run)
            .args(["-F", users.as_str(), "--output", "bans.json"]),
    )
    .await;
    assert_eq!(told.status.code(), Some(0), "{:?}", failure(&told));
    let report = std::fs::read(desk.path("bans.json")).unwrap();
    let report: Value = serde_json::from_slice(&report).unwrap();
    assert_eq!(report["banned"], json!([raider]), "{report:#}");
    let spared = report["spared"].as_array().unwrap();
    assert_eq!(spared.len(), 2, "{report:#}");
    let ban = format!("/guilds/{GUILD}/bans/{raider}");
    let banned = control.rest(&owner, "GET", &ban, Value::Null).await;
    assert_eq!(banned.unwrap().status, 200);

    let id = events(&told)[0]["task_id"].as_str().unwrap().to_owned();
    let undo = format!("Undo={id}");
    let told = finished(
        desk.job(&run)
            .args(["-F", undo.as_str(), "--output", "freed.json"]),
    )
    .await;
    assert_eq!(told.status.code(), Some(0), "{:?}", failure(&told));
    let banned = control.rest(&owner, "GET", &ban, Value::Null).await;
    assert_eq!(banned.unwrap().status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_refused_before_anything_is_begun() {
    let desk = Desk::new().await;
    let backup = ["run", "guild_create_backup", "--server", GUILD];
    let no_token = finished(desk.splashtail(&["localjobs"]).args(backup)).await;
    let (code, said) = failure(&no_token);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("--token-file"), "{said}");
    std::fs::write(desk.path("bad"), "nonsense").unwrap();
    std::fs::write(desk.path("taken"), "x").unwrap();
    for (arguments, part) in [
        (
            &["run", "backup", "--server", GUILD][..],
            "there is no kind of job",
        ),
        (
            &[
                "run",
                "guild_create_backup",
                "--server",
                GUILD,
                "-F",
                "Max=1",
            ],
            "has no option",
        ),
        (
            &[
                "run",
                "guild_create_backup",
                "--server",
                GUILD,
                "-F",
                "Encrypt=x",
            ],
            "--password-file",
        ),
        (
            &[
                "run",
                "guild_create_backup",
                "--server",
                "1100000000000000777",
            ],
            "is not in a server",
        ),
        (
            &[
                "run",
                "guild_create_backup",
                "--server",
                GUILD,
                "--output",
                "taken",
            ],
            "exists already",
        ),
        (
            &[
                "run",
                "guild_create_backup",
                "--server",
                GUILD,
                "-F",
                "BackupAttachments=true",
            ],
            "together with messages",
        ),
        (
            &[
                "run",
                "guild_restore_backup",
                "--server",
                GUILD,
                "--source",
                "x",
            ],
            "--yes",
        ),
        (
            &["run", "guild_restore_backup", "--server", GUILD, "--yes"],
            "--source is missing",
        ),
        (
            &[
                "run",
                "guild_restore_backup",
                "--server",
                GUILD,
                "--yes",
                "-F",
                "AsOf=2026-01-20T12:00:00Z",
            ],
            "nothing is known of this server at 2026-01-20",
        ),
        (
            &[
                "run",
                "guild_restore_backup",
                "--server",
                GUILD,
                "--yes",
                "--source",
                "x",
                "-F",
                "AsOf=2026-01-20T12:00:00Z",
            ],
            "in place of --source",
        ),
        (
            &[
                "run",
                "guild_restore_backup",
                "--server",
                GUILD,
                "--yes",
                "--source",
                "absent",
            ],
            "cannot read absent",
        ),
        (&["run", "message_prune", "--server", GUILD], "--yes"),
        (
            &[
                "run",
                "message_prune",
                "--server",
                GUILD,
                "--yes",
                "-F",
                "PruneFrom=soon",
            ],
            "PruneFrom",
        ),
        (&["resume", "--data-dir", "nowhere"], "there are no jobs"),
    ] {
        let refused = finished(&mut desk.job(arguments)).await;
        let (code, said) = failure(&refused);
        assert_eq!(code, 2, "{arguments:?}: {said}");
        assert!(said.contains(part), "{arguments:?}: {said}");
    }
    let rest = desk.sandbox.rest.as_str();
    let mut wrong = desk.splashtail(&["localjobs"]);
    wrong
        .args(backup)
        .args(["--token-file", "bad", "--api", rest, "--cdn", rest]);
    let (code, said) = failure(&finished(&mut wrong).await);
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("bot token"), "{said}");
}
