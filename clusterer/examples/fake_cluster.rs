//! A cluster without Discord, for the tests of the clusterer: speaks mewld's protocol over the
//! unix-socket hub and misbehaves on request.
//!
//! `FAKE_MODE_<cluster id>` is `silent` (never launches) or `crash` (ends at once). A file `hang-<cluster id>` in the working directory makes it
//! answer no ping. On start it writes `run-<cluster id>-<pid>.json` with its arguments and
//! environment.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::{env, fs, process};

use splashtail_core::ids::ClusterId;
use splashtail_ipc::args::ClusterArgs;
use splashtail_ipc::launcher::{DiagReply, Incoming, LauncherCmd, ShardHealth};

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
fn main() {
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
        return;
    }

    let address = env::var("REDIS_URL").unwrap();
    let mut hub = UnixStream::connect(address.strip_prefix("unix:").unwrap()).unwrap();
    if mode != "silent" {
        // mewld's clients write no newline.
        hub.write_all(LauncherCmd::launch_next(id).to_json().as_bytes())
            .unwrap();
    }
    answer_pings(hub, &args, id);
}

#[allow(clippy::unwrap_used, reason = "a test program: it fails loudly")]
fn answer_pings(mut hub: UnixStream, args: &ClusterArgs, id: ClusterId) {
    let mut pending = String::new();
    let mut buffer = [0; 64 * 1024];
    loop {
        let count = hub.read(&mut buffer).unwrap_or(0);
        if count == 0 {
            return;
        }
        pending.push_str(&String::from_utf8_lossy(&buffer[..count]));
        while let Some((line, rest)) = pending.split_once('\n') {
            let message = Incoming::parse(line);
            let rest = rest.to_owned();
            if let Ok(Incoming::DiagRequest(request)) = message
                && request.id == id
                && !Path::new(&format!("hang-{id}")).exists()
            {
                let health = |shard| ShardHealth {
                    shard_id: shard,
                    up: true,
                    latency: 41.0,
                    guilds: 1,
                    users: 5,
                };
                let data = args.shards.iter().copied().map(health).collect();
                let reply = DiagReply {
                    cluster_id: id,
                    nonce: request.nonce,
                    data,
                };
                hub.write_all(LauncherCmd::diag(&reply).to_json().as_bytes())
                    .unwrap();
            }
            pending = rest;
        }
    }
}
