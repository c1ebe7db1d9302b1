//! The table of daemons: everything the supervisor knows about each of them. A new daemon is one
//! row here.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use splashtail_core::config::{Config, SANDBOX_PORTS};
use splashtail_core::environment::Environment;
use url::Url;

pub const SANDBOX: &str = "sandbox";
pub const JOBSERVER: &str = "jobserver";
pub const CLUSTERER: &str = "clusterer";
pub const PROXY: &str = "proxy";
/// The place among its sockets of the one for calls to Discord.
pub const REST_PROXY: usize = 1;
pub const WEBSERVER: &str = "webserver";

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SANDBOX_REST: u16 = SANDBOX_PORTS[0];
const SANDBOX_GATEWAY: u16 = SANDBOX_PORTS[1];
const SANDBOX_CONTROL: u16 = SANDBOX_PORTS[2];

/// What the command is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `up`: everything on this machine.
    Everything,
    /// `webserver`: webserver and clusterer, and so the bot.
    Webserver,
    /// `webserver --no-clusterer`: one more webserver.
    WebserverAlone,
    /// `jobs`: the jobserver.
    Jobs,
}

#[derive(Debug, Clone, Default)]
pub struct PlanOptions {
    pub free_ports: bool,
    /// Start the sandbox although there is a token.
    pub sandbox: bool,
    pub site_dir: Option<PathBuf>,
    /// Built page of the sandbox.
    pub page_dir: Option<PathBuf>,
    /// Where the daemons' programs are; else beside this one, or where `SPLASHTAIL_BIN_DIR` says.
    pub bin_dir: Option<PathBuf>,
}

/// What decides about daemons and their arguments.
#[derive(Debug)]
pub struct Wish<'a> {
    pub role: Role,
    /// The simulated Discord is part of the platform.
    pub sandbox: bool,
    /// Whether the bot's sessions at Discord and its limits are the proxy's.
    pub proxy: bool,
    pub environment: Environment,
    pub options: &'a PlanOptions,
}

/// One daemon: its binary is `splashtail-<name>`, its log `<name>.log`.
pub struct Daemon {
    pub name: &'static str,
    /// Other programs that it starts itself.
    pub programs: &'static [&'static str],
    pub runs: fn(&Wish) -> bool,
    /// Ready before this one starts, and stopped after it. Those that do not run do not matter.
    pub after: &'static [&'static str],
    /// In the order in which the daemon expects them in `LISTEN_FDS`.
    pub sockets: &'static [Socket],
    /// The socket that answers `/readyz` with 200 when the daemon is ready, and anything at all
    /// while it is alive.
    pub health: usize,
    pub arguments: fn(&Wish) -> Vec<String>,
    pub environment: fn(&Wish) -> Vec<(&'static str, String)>,
    pub on_reload: OnReload,
    pub deadlines: Deadlines,
}

impl Daemon {
    pub fn program(&self) -> String {
        format!("splashtail-{}", self.name)
    }
}

/// A listener that the supervisor binds and keeps while the daemon comes and goes.
pub struct Socket {
    pub what: &'static str,
    /// The key that chooses its port.
    pub key: &'static str,
    pub port: PortOf,
    /// Tells the others where the listener is, when ports were chosen freely or the platform is
    /// cut off from the rest of the world by the sandbox.
    pub announce: fn(&mut Config, &Url),
}

pub enum PortOf {
    Config(fn(&mut Config) -> (IpAddr, &mut u16)),
    /// On the loopback.
    Fixed(u16),
}

/// What a daemon does when the operator asks for a reload (SIGHUP).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnReload {
    /// A successor starts on the same listeners, with a new binary if there is one. The old process
    /// serves until the successor is ready, then ends gracefully.
    Succeed,
    /// It gets the signal and looks after itself.
    Signal,
    /// It ends in order and begins again, with a new binary if there is one. What it holds outlives
    /// it on disk, and whoever connects meanwhile waits at the listener.
    Restart,
    /// Nothing: its state is in memory.
    Nothing,
}

#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For a successor to become ready; then it is given up and the old process stays.
    pub succeed: Duration,
    /// From SIGTERM to SIGKILL.
    pub stop: Duration,
    /// Between two looks at whether it is alive.
    pub look_every: Duration,
    /// For one answer.
    pub answer: Duration,
    /// So many answers in a row may be missing before the daemon is killed as hung.
    pub missed: u32,
    /// For the first answer of a new process, which may have much to load.
    pub first_answer: Duration,
}

/// A daemon counts as hung after 60 s or more without any answer: looks are counted, not time, so a
/// machine that was suspended costs one look.
const USUAL: Deadlines = Deadlines {
    succeed: Duration::from_secs(120),
    stop: Duration::from_secs(8),
    look_every: Duration::from_secs(5),
    answer: Duration::from_secs(10),
    missed: 4,
    first_answer: Duration::from_secs(300),
};

pub static DAEMONS: &[Daemon] = &[
    Daemon {
        name: SANDBOX,
        programs: &[],
        runs: |wish| wish.sandbox,
        after: &[],
        sockets: &[
            Socket {
                what: "sandbox's REST address",
                key: "--free-ports",
                port: PortOf::Fixed(SANDBOX_REST),
                announce: |config, url| {
                    config.discord.api_base = url.clone();
                    config.discord.cdn_base = url.clone();
                    // A path on an origin always joins.
                    if let Ok(authorize) = url.join("oauth2/authorize") {
                        config.discord.authorize_url = authorize;
                    }
                },
            },
            Socket {
                what: "sandbox's gateway",
                key: "--free-ports",
                port: PortOf::Fixed(SANDBOX_GATEWAY),
                announce: nobody,
            },
            Socket {
                what: "sandbox's page",
                key: "--free-ports",
                port: PortOf::Fixed(SANDBOX_CONTROL),
                announce: nobody,
            },
        ],
        health: 2,
        arguments: |wish| directory("--page-dir", wish.options.page_dir.as_deref()),
        environment: |_| Vec::new(),
        on_reload: OnReload::Nothing,
        deadlines: USUAL,
    },
    Daemon {
        name: JOBSERVER,
        programs: &[],
        runs: |wish| matches!(wish.role, Role::Everything | Role::Jobs),
        after: &[SANDBOX],
        sockets: &[Socket {
            what: "jobserver",
            key: "meta.jobserver_port",
            port: PortOf::Config(|config| {
                let meta = &mut config.meta;
                (meta.jobserver_bind_addr, &mut meta.jobserver_port)
            }),
            announce: |config, url| config.meta.jobserver_urls = vec![url.clone()],
        }],
        health: 0,
        arguments: environment_argument,
        environment: |_| Vec::new(),
        on_reload: OnReload::Succeed,
        deadlines: USUAL,
    },
    Daemon {
        name: PROXY,
        programs: &[],
        runs: |wish| wish.proxy && matches!(wish.role, Role::Everything | Role::Webserver),
        after: &[SANDBOX],
        sockets: &[
            Socket {
                what: "gateway proxy",
                key: "simple_gateway_proxy.port",
                port: PortOf::Config(|config| {
                    let proxy = &mut config.simple_gateway_proxy;
                    (LOOPBACK, &mut proxy.port)
                }),
                announce: |config, url| config.simple_gateway_proxy.url = url.clone(),
            },
            Socket {
                what: "REST proxy",
                key: "proxy.rest_port",
                port: PortOf::Config(|config| (LOOPBACK, &mut config.proxy.rest_port)),
                // Whoever names another proxy keeps it, so the plan tells of this one itself.
                announce: nobody,
            },
        ],
        health: 0,
        arguments: environment_argument,
        environment: |_| Vec::new(),
        // Two at a time would take each other's sessions away.
        on_reload: OnReload::Restart,
        deadlines: USUAL,
    },
    Daemon {
        name: CLUSTERER,
        programs: &["splashtail-bot"],
        runs: |wish| matches!(wish.role, Role::Everything | Role::Webserver),
        after: &[SANDBOX, PROXY],
        sockets: &[Socket {
            what: "clusterer",
            key: "meta.clusterer_port",
            port: PortOf::Config(|config| {
                let meta = &mut config.meta;
                (meta.clusterer_bind_addr, &mut meta.clusterer_port)
            }),
            announce: |config, url| config.meta.clusterer_url = url.clone(),
        }],
        health: 0,
        arguments: environment_argument,
        // The whole command set is there from the start; cluster 0 publishes it.
        environment: |wish| match wish.sandbox {
            true => vec![("REGISTER_COMMANDS", "global".to_owned())],
            false => Vec::new(),
        },
        on_reload: OnReload::Signal,
        deadlines: USUAL,
    },
    Daemon {
        name: WEBSERVER,
        programs: &[],
        runs: |wish| wish.role != Role::Jobs,
        after: &[SANDBOX],
        sockets: &[
            Socket {
                what: "webserver",
                key: "meta.port",
                port: PortOf::Config(|config| {
                    let meta = &mut config.meta;
                    (meta.bind_addr, &mut meta.port)
                }),
                announce: |config, url| {
                    config.sites.api = url.clone();
                    config.sites.frontend = url.clone();
                },
            },
            Socket {
                what: "webserver's admin address",
                key: "meta.admin_port",
                port: PortOf::Config(|config| {
                    let meta = &mut config.meta;
                    (meta.admin_bind_addr, &mut meta.admin_port)
                }),
                announce: nobody,
            },
        ],
        health: 1,
        arguments: |wish| {
            let mut arguments = environment_argument(wish);
            arguments.extend(directory("--site-dir", wish.options.site_dir.as_deref()));
            arguments
        },
        environment: |_| Vec::new(),
        on_reload: OnReload::Succeed,
        deadlines: USUAL,
    },
];

fn nobody(_: &mut Config, _: &Url) {}

fn environment_argument(wish: &Wish) -> Vec<String> {
    vec!["--env".to_owned(), wish.environment.to_string()]
}

/// An option that names a directory, when there is one.
fn directory(option: &str, path: Option<&Path>) -> Vec<String> {
    path.map_or_else(Vec::new, |path| {
        vec![option.to_owned(), path.display().to_string()]
    })
}

/// The daemons of a wish in the order of their start: each stage is ready before the next one
/// begins. They stop in the reverse order.
pub fn stages(wish: &Wish) -> Vec<Vec<&'static Daemon>> {
    let mut waiting: Vec<_> = DAEMONS.iter().filter(|row| (row.runs)(wish)).collect();
    let mut stages = Vec::new();
    while !waiting.is_empty() {
        let blocked = |row: &&Daemon| {
            let absent = |name: &&str| !waiting.iter().any(|other| other.name == *name);
            !row.after.iter().all(absent)
        };
        let (later, now): (Vec<_>, Vec<_>) = waiting.iter().copied().partition(blocked);
        if now.is_empty() {
            // Two that wait for each other start together; a test keeps the table free of them.
            stages.push(later);
            break;
        }
        stages.push(now);
        waiting = later;
    }
    stages
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(role: Role, sandbox: bool) -> Vec<Vec<&'static str>> {
        started(role, sandbox, false)
    }

    fn started(role: Role, sandbox: bool, proxy: bool) -> Vec<Vec<&'static str>> {
        let wish = Wish {
            role,
            sandbox,
            proxy,
            environment: Environment::Staging,
            options: &PlanOptions::default(),
        };
        let name = |stage: Vec<&'static Daemon>| stage.iter().map(|row| row.name).collect();
        stages(&wish).into_iter().map(name).collect()
    }

    #[test]
    fn commands_start_what_they_say() {
        assert_eq!(
            names(Role::Everything, true),
            [vec![SANDBOX], vec![JOBSERVER, CLUSTERER, WEBSERVER]]
        );
        assert_eq!(
            names(Role::Everything, false),
            [[JOBSERVER, CLUSTERER, WEBSERVER]]
        );
        assert_eq!(names(Role::Webserver, false), [[CLUSTERER, WEBSERVER]]);
        assert_eq!(names(Role::WebserverAlone, false), [[WEBSERVER]]);
        assert_eq!(names(Role::Jobs, false), [[JOBSERVER]]);
        assert_eq!(
            started(Role::Everything, true, true),
            [
                vec![SANDBOX],
                vec![JOBSERVER, PROXY, WEBSERVER],
                vec![CLUSTERER]
            ]
        );
        assert_eq!(started(Role::Jobs, false, true), [[JOBSERVER]]);
    }

    #[test]
    fn the_table_is_sound() {
        for (at, row) in DAEMONS.iter().enumerate() {
            assert!(row.health < row.sockets.len(), "{}", row.name);
            for name in row.after {
                let earlier = DAEMONS[..at].iter().any(|other| other.name == *name);
                assert!(earlier, "{} waits for {name}, which comes later", row.name);
            }
        }
    }
}
