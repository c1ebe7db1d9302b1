//! The jobserver as it is installed: a process, which the kernel ends without asking it.

use std::fs::File;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use command_fds::{CommandFdExt as _, FdMapping};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use splashtail_core::config::Config;

/// Where it finds its listener (sd_listen_fds(3)).
const LISTENER: i32 = 3;
const LOG: &str = "jobserver.log";
/// What a supervisor of the test says to the test.
const OF_OTHERS: [&str; 5] = [
    "LISTEN_PID",
    "LISTEN_FDNAMES",
    "NOTIFY_SOCKET",
    "SPLASHTAIL_CONFIG",
    "SPLASHTAIL_SUPERVISOR_PID",
];

pub struct Program(Child);

impl Program {
    /// Starts it over the data of the configuration; its log is beside them.
    pub fn start(config: &Config, listener: TcpListener) -> Self {
        let file = config.data_dir.join("jobserver.yaml");
        std::fs::write(&file, config.to_yaml()).unwrap();
        // It holds secrets.
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
        let log = log(&config.data_dir);
        let mut command = Command::new(env!("CARGO_BIN_EXE_splashtail-jobserver"));
        command
            .arg("--config")
            .arg(&file)
            .args(["--env", config.environment.as_str()])
            .env("LISTEN_FDS", "1")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        for variable in OF_OTHERS {
            command.env_remove(variable);
        }
        let mapping = FdMapping {
            parent_fd: listener.into(),
            child_fd: LISTENER,
        };
        command.fd_mappings(vec![mapping]).unwrap();
        Self(command.spawn().unwrap())
    }

    /// With its last words, should it have ended by itself.
    pub fn assert_alive(&mut self, directory: &Path) {
        let ended = self.0.try_wait().unwrap();
        let said = || std::fs::read_to_string(directory.join(LOG)).unwrap();
        assert!(ended.is_none(), "{}", said());
    }

    /// SIGKILL; returns when there is no such process any more.
    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// SIGTERM, as before a new version is started.
    pub fn terminate(&self) {
        let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        kill(pid, Signal::SIGTERM).unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may be gone already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn log(directory: &Path) -> File {
    let mut options = File::options();
    let path = directory.join(LOG);
    options.append(true).create(true).open(path).unwrap()
}
