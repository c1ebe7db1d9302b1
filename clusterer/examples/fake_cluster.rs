//! A cluster without Discord, for the tests of the clusterer: speaks mewld's protocol over the
//! unix-socket hub or Redis and misbehaves on request.
//!
//! `FAKE_MODE_<cluster id>` is `silent` (never launches), `crash` (ends at once) or `as-<id>`
//! (reports for another cluster). A file `hang-<cluster id>` in the working directory makes it
//! answer no ping; with `refused-<cluster id>` it ends as if Discord refused it. On start it writes `run-<cluster id>-<pid>.json` with its arguments and
//! environment.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs, process};

use splashtail_core::ids::ClusterId;
use splashtail_ipc::args::ClusterArgs;
use splashtail_ipc::bus;
use splashtail_ipc::launcher::{
    DiagReply, END_FILE_VARIABLE, GatewayRefusal, Incoming, LauncherCmd, REFUSED_EXIT, ShardHealth,
};

const NAMES: [&str; 7] = [
    "MEWLD_CHANNEL",
    "REDIS_URL",
    "CLUSTERER_ORPHAN_TIMEOUT",
    "IDENTIFY_NOT_BEFORE",
    "SPLASHTAIL_CONFIG",
    "MTOKEN",
    "LISTEN_FDS",
];

#[allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test program: it fails loudly"
)]
fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let args = ClusterArgs::parse(&arguments).unwrap();
    let id = args.cluster_id;
    let variables: serde_json::Map<_, _> = NAMES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), env::var(name).ok()?.into())))
        .collect();
    let report = serde_json::json!({
        "args": arguments, "env": variables, "cwd": env::current_dir().unwrap(), "pid": process::id(),
    });
    fs::write(
        format!("run-{id}-{}.json", process::id()),
        report.to_string(),
    )
    .unwrap();
    println!("cluster {id} speaks");

    let mode = env::var(format!("FAKE_MODE_{id}")).unwrap_or_default();
    if mode == "crash" {
        return ExitCode::SUCCESS;
    }

    if Path::new(&format!("refused-{id}")).exists() {
        let end = env::var(END_FILE_VARIABLE).unwrap();
        GatewayRefusal::Intents.write(Path::new(&end)).unwrap();
        return ExitCode::from(REFUSED_EXIT);
    }

    let claimed = mode.strip_prefix("as-").and_then(|id| id.parse().ok());
    let cluster = Cluster {
        speaks: mode != "silent",
        claimed: claimed.unwrap_or(id),
        args,
    };
    let address = env::var("REDIS_URL").unwrap();
    match address.strip_prefix("unix:") {
        Some(path) => cluster.on_hub(path),
        None => cluster.on_redis(&address),
    }
    ExitCode::SUCCESS
}

struct Cluster {
    args: ClusterArgs,
    /// Whom it speaks for.
    claimed: ClusterId,
    speaks: bool,
}

#[allow(clippy::unwrap_used, reason = "a test program: it fails loudly")]
impl Cluster {
    /// The reply to a message that asks for one. Silent ones answer nothing either.
    fn reply(&self, message: &str) -> Option<String> {
        let Ok(Incoming::DiagRequest(request)) = Incoming::parse(message) else {
            return None;
        };
        let id = self.args.cluster_id;
        let hangs = Path::new(&format!("hang-{id}")).exists();
        if request.id != id || hangs || !self.speaks {
            return None;
        }
        let health = |shard| ShardHealth {
            shard_id: shard,
            up: true,
            latency: 41.0,
            guilds: 1,
            users: 5,
        };
        let reply = DiagReply {
            cluster_id: self.claimed,
            nonce: request.nonce,
            data: self.args.shards.iter().copied().map(health).collect(),
        };
        Some(LauncherCmd::diag(&reply).to_json())
    }

    fn on_hub(&self, path: &str) {
        let mut hub = UnixStream::connect(path).unwrap();
        if self.speaks {
            // mewld's clients write no newline.
            let launched = LauncherCmd::launch_next(self.claimed).to_json();
            hub.write_all(launched.as_bytes()).unwrap();
        }
        let mut pending = String::new();
        let mut buffer = [0; 64 * 1024];
        loop {
            let count = hub.read(&mut buffer).unwrap_or(0);
            if count == 0 {
                return;
            }
            pending.push_str(&String::from_utf8_lossy(&buffer[..count]));
            while let Some((line, rest)) = pending.split_once('\n') {
                if let Some(reply) = self.reply(line) {
                    hub.write_all(reply.as_bytes()).unwrap();
                }
                pending = rest.to_owned();
            }
        }
    }

    fn on_redis(&self, url: &str) {
        let channel = env::var("MEWLD_CHANNEL").unwrap();
        tokio::runtime::Runtime::new().unwrap().block_on(async {
            let bus = bus::connect(&bus::target_from_url(url), &channel).unwrap();
            let channels = [channel.clone()];
            let mut messages = bus.subscribe(&channels).await.unwrap();
            if self.speaks {
                let launched = LauncherCmd::launch_next(self.claimed).to_json();
                bus.publish(&channel, &launched).await.unwrap();
            }
            while let Some(message) = messages.next_message().await {
                if let Some(reply) = self.reply(&message.payload) {
                    // The clusterer asks again.
                    let _ = bus.publish(&channel, &reply).await;
                }
            }
        });
    }
}
