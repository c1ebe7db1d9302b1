//! `doctor`: what is wrong with this installation, and what its shape does not allow.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use nix::sys::statvfs::statvfs;
use serde::Serialize;
use splashtail_core::config::{
    BusTarget, Component, Config, DatabaseTarget, Loaded, ObjectStorage,
};
use splashtail_core::data_dir::DataPaths;
use splashtail_core::telemetry::Chain;

use super::finding::{Finding, Status, any_failed, table};
use super::output::print;
use super::probe;
use super::source::ConfigSource;
use crate::supervisor::daemons::{DAEMONS, PortOf, SANDBOX, Wish};
use crate::supervisor::{PlanOptions, Role, sibling};

/// Less free space than this is too little for the database and a few backups.
const LITTLE_SPACE: u64 = 512 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub struct DoctorArgs {
    #[command(flatten)]
    source: ConfigSource,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The answer of `doctor --json`.
#[derive(Debug, Serialize)]
struct Report {
    ok: bool,
    version: &'static str,
    findings: Vec<Finding>,
}

/// Looks at everything and changes nothing.
///
/// # Errors
/// The report cannot be written.
pub async fn run(args: DoctorArgs) -> Result<ExitCode> {
    let findings = examine(&args.source).await;
    let ok = !any_failed(&findings);
    print(&if args.json {
        let report = Report {
            ok,
            version: env!("CARGO_PKG_VERSION"),
            findings,
        };
        format!("{}\n", serde_json::to_string_pretty(&report)?)
    } else {
        let failed = |finding: &&Finding| finding.status == Status::Failed;
        let summary = match findings.iter().filter(failed).count() {
            0 => "Nothing is wrong.".to_owned(),
            1 => "1 thing is wrong.".to_owned(),
            failed => format!("{failed} things are wrong."),
        };
        let version = env!("CARGO_PKG_VERSION");
        format!("splashtail {version}\n{}{summary}\n", table(&findings))
    })?;
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn examine(source: &ConfigSource) -> Vec<Finding> {
    let mut findings = binaries();
    let loaded = match source.load_or_embedded(Component::All) {
        Ok(loaded) => loaded,
        Err(error) => {
            findings.push(Finding::failed("configuration", Chain(&error).to_string()));
            return findings;
        }
    };
    findings.extend(configuration(&loaded));
    let paths = DataPaths::new(&loaded.config.data_dir);
    let running = paths.is_in_use();
    findings.push(data_directory(&paths, running));
    findings.extend(space(paths.root()));
    findings.extend(ports(&loaded.config, running));
    findings.extend(shape(&loaded.config));
    let platform = source.platform();
    let loaded = match platform {
        // What runs was given other addresses than the file says, with --free-ports for example.
        Some(_) => source.in_force(loaded),
        None => loaded,
    };
    findings.extend(probe::everything(&loaded, platform.as_ref()).await);
    findings
}

fn binaries() -> Vec<Finding> {
    let mut findings = Vec::new();
    for row in DAEMONS {
        let programs = [row.program()].into_iter();
        for program in programs.chain(row.programs.iter().map(|name| (*name).to_owned())) {
            match sibling(&program) {
                Ok(_) => {}
                Err(error) if row.name == SANDBOX => findings.push(Finding::note(
                    "programs",
                    format!("{error} (only the sandbox needs it)"),
                )),
                Err(error) => findings.push(Finding::failed("programs", error.to_string())),
            }
        }
    }
    if findings.is_empty() {
        findings.push(Finding::ok("programs", "all daemons are there"));
    }
    findings
}

fn configuration(loaded: &Loaded) -> Vec<Finding> {
    let environment = loaded.config.environment;
    let mut findings = vec![match &loaded.path {
        Some(path) => Finding::ok(
            "configuration",
            format!("{}, environment {environment}", path.display()),
        ),
        None => Finding::note(
            "configuration",
            format!("no config file: embedded defaults, environment {environment}"),
        ),
    }];
    findings.extend(
        loaded
            .warnings
            .iter()
            .map(|warning| Finding::note("configuration", warning.as_str())),
    );
    findings
}

fn data_directory(paths: &DataPaths, running: bool) -> Finding {
    const NAME: &str = "data directory";
    let root = paths.root();
    let shown = root.display();
    let Ok(metadata) = fs::metadata(root) else {
        return match probe::writable(root) {
            Ok(()) => Finding::ok(NAME, format!("{shown}, made at the first start")),
            Err(error) => Finding::failed(NAME, format!("{shown} cannot be made: {error}")),
        };
    };
    if let Err(error) = probe::writable(root) {
        return Finding::failed(NAME, format!("{shown} cannot be written to: {error}"));
    }
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Finding::note(
            NAME,
            format!("{shown} is open to other users (mode {mode:03o}): chmod 700 {shown}"),
        );
    }
    let state = if running {
        ", in use by a running splashtail"
    } else {
        ""
    };
    Finding::ok(NAME, format!("{shown}{state}"))
}

fn space(root: &Path) -> Option<Finding> {
    let existing = root.ancestors().find(|path| path.exists())?;
    let filesystem = statvfs(existing).ok()?;
    let free = filesystem.blocks_available() * filesystem.fragment_size();
    let detail = format!("{} MiB free for {}", free / (1024 * 1024), root.display());
    Some(if free < LITTLE_SPACE {
        Finding::failed("disk space", detail)
    } else {
        Finding::ok("disk space", detail)
    })
}

/// A port that is taken is fine while our own daemons are what took it.
fn ports(config: &Config, running: bool) -> Vec<Finding> {
    const NAME: &str = "ports";
    let mut config = config.clone();
    let mut used = vec![(
        "meta.bot_iserver_base_port",
        SocketAddr::new(config.meta.bot_bind_addr, config.meta.bot_iserver_base_port),
    )];
    let wish = Wish {
        role: Role::Everything,
        sandbox: config.discord_auth.token.is_none(),
        proxy: config.proxy.enabled,
        environment: config.environment,
        options: &PlanOptions::default(),
    };
    let run = DAEMONS.iter().filter(|row| (row.runs)(&wish));
    for socket in run.flat_map(|row| row.sockets) {
        if let PortOf::Config(place) = socket.port {
            let (address, port) = place(&mut config);
            used.push((socket.key, SocketAddr::new(address, *port)));
        }
    }
    let taken: Vec<_> = used
        .into_iter()
        .filter_map(|(key, address)| Some((key, address, TcpListener::bind(address).err()?)))
        .collect();
    if taken.is_empty() {
        return vec![Finding::ok(NAME, "every configured port is free")];
    }
    taken
        .into_iter()
        .map(|(key, address, error)| {
            let detail = format!("{key}: {address}: {error}");
            if running {
                Finding::note(NAME, detail)
            } else {
                Finding::failed(NAME, detail)
            }
        })
        .collect()
}

/// What this choice of engines rules out.
fn shape(config: &Config) -> Vec<Finding> {
    const NAME: &str = "replicas";
    let mut findings = Vec::new();
    let postgres = matches!(config.database(), DatabaseTarget::Postgres(_));
    let redis = matches!(config.bus(), BusTarget::Redis(_));
    if !redis {
        findings.push(Finding::note(
            NAME,
            "sessions, rate limits and replay protection are kept in each process: a second \
             webserver or jobserver needs meta.redis_url",
        ));
    }
    if !postgres {
        findings.push(Finding::note(
            NAME,
            "SQLite serves one machine: another one needs meta.postgres_url",
        ));
    }
    if postgres && matches!(config.object_storage, ObjectStorage::Local { .. }) {
        findings.push(Finding::note(
            NAME,
            "backup files are on this machine only: another one needs object_storage s3-like",
        ));
    }
    if postgres && config.meta.data_key.is_none() {
        findings.push(Finding::note(
            NAME,
            "machines that share the database need the same meta.data_key, link_key and \
             jobserver_secrets: copy them from secrets.yaml of the first one",
        ));
    }
    if findings.is_empty() {
        findings.push(Finding::ok(
            NAME,
            "webservers and jobservers may run on several machines",
        ));
    }
    findings
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use splashtail_core::data_dir::DataDir;
    use splashtail_core::environment::Environment;
    use splashtail_core::port_block::PortBlock;

    use super::*;

    /// With ports that nobody else takes.
    fn config() -> (tempfile::TempDir, PortBlock, Config) {
        let data = tempfile::tempdir().unwrap();
        let mut config = Config::embedded(data.path(), Environment::Staging);
        let block = PortBlock::claim(Ipv4Addr::LOCALHOST.into()).unwrap();
        let ports = [
            &mut config.meta.port,
            &mut config.meta.admin_port,
            &mut config.meta.jobserver_port,
            &mut config.meta.clusterer_port,
            &mut config.simple_gateway_proxy.port,
            &mut config.proxy.rest_port,
            &mut config.meta.bot_iserver_base_port,
        ];
        for (port, free) in ports.into_iter().zip(block.base()..) {
            *port = free;
        }
        (data, block, config)
    }

    #[test]
    fn a_taken_port_is_named_unless_it_is_ours() {
        let (_data, _ports, config) = config();
        let taken = TcpListener::bind(config.jobserver_address()).unwrap();
        let finding = &ports(&config, false)[0];
        assert_eq!(finding.status, Status::Failed);
        assert!(
            finding
                .detail
                .starts_with("meta.jobserver_port: 127.0.0.1:"),
            "{finding:?}"
        );
        assert_eq!(ports(&config, true)[0].status, Status::Note);
        drop(taken);
        let _taken = TcpListener::bind(config.gateway_proxy_address()).unwrap();
        let mut config = config;
        assert_eq!(ports(&config, false)[0].status, Status::Ok, "it is off");
        config.proxy.enabled = true;
        assert_eq!(ports(&config, false)[0].status, Status::Failed);
    }

    #[test]
    fn a_running_splashtail_is_seen_and_nothing_is_made() {
        let parent = tempfile::tempdir().unwrap();
        let paths = DataPaths::new(parent.path().join("data"));
        assert!(!paths.is_in_use());
        assert_eq!(data_directory(&paths, false).status, Status::Ok);
        assert!(!paths.root().exists());
        let held = DataDir::open(paths.root()).unwrap();
        assert!(paths.is_in_use());
        drop(held);
        assert!(!paths.is_in_use());
        let part = DataDir::open_part(paths.root(), "jobs").unwrap();
        assert!(paths.is_in_use());
        drop(part);
    }

    #[test]
    fn the_in_process_cache_is_said_to_be_for_one() {
        let (_data, _ports, mut config) = config();
        let details = |config: &Config| -> Vec<String> {
            shape(config)
                .into_iter()
                .map(|finding| finding.detail)
                .collect()
        };
        assert!(
            details(&config)
                .iter()
                .any(|detail| detail.contains("meta.redis_url"))
        );
        config.meta.redis_url = Some("redis://localhost".into());
        config.meta.postgres_url = Some("postgresql:///antiraid".into());
        config.meta.data_key = Some("k".into());
        config.object_storage = ObjectStorage::S3Like {
            bucket: "b".to_owned(),
            endpoint: "https://s3.example.com".parse().unwrap(),
            cdn_endpoint: None,
            access_key: "a".into(),
            secret_key: "s".into(),
            region: "us-east-1".into(),
            secure: true,
            cdn_secure: true,
        };
        assert_eq!(details(&config).len(), 1);
        assert_eq!(shape(&config)[0].status, Status::Ok);
    }

    #[test]
    fn an_open_data_directory_is_noted() {
        let data = tempfile::tempdir().unwrap();
        fs::set_permissions(data.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let finding = data_directory(&DataPaths::new(data.path()), false);
        assert_eq!(finding.status, Status::Note, "{finding:?}");
    }
}
