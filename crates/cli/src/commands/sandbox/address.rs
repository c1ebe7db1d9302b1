//! Where a running sandbox is.

use anyhow::{Result, bail};
use clap::Args;
use splashtail_sandbox::control::client::ControlClient;
use url::Url;

use crate::commands::source::ConfigSource;
use crate::supervisor::report::Ready;

/// Where a sandbox is steered that was started alone.
const USUAL_CONTROL: &str = "http://127.0.0.1:4402";

/// Where a running sandbox is steered.
#[derive(Debug, Args)]
pub struct ControlAddress {
    /// Origin of the sandbox's control API. Default: that of the platform which runs in the data
    /// directory, else http://127.0.0.1:4402.
    #[arg(long, env = "SPLASHTAIL_SANDBOX_CONTROL")]
    control: Option<Url>,
    #[command(flatten)]
    source: ConfigSource,
}

impl ControlAddress {
    pub fn client(&self) -> Result<ControlClient> {
        Ok(ControlClient::new(&self.find()?)?)
    }

    fn find(&self) -> Result<Url> {
        if let Some(control) = &self.control {
            return Ok(control.clone());
        }
        match self.source.platform() {
            Some(Ready {
                sandbox: Some(sandbox),
                ..
            }) => Ok(sandbox.control),
            Some(Ready { data_dir, .. }) => bail!(
                "the platform in {} runs on Discord, not on a sandbox; name another one with --control or --data-dir",
                data_dir.display()
            ),
            None => Ok(USUAL_CONTROL.parse()?),
        }
    }
}

#[cfg(test)]
mod tests {
    use splashtail_core::data_dir::DataDir;

    use super::*;

    #[test]
    fn a_platform_is_found_by_its_data_directory() {
        let data = tempfile::tempdir().unwrap();
        let address = |control: Option<&str>| ControlAddress {
            control: control.map(|url| url.parse().unwrap()),
            source: ConfigSource {
                data_dir: Some(data.path().to_owned()),
                ..ConfigSource::default()
            },
        };
        let found = |control| address(control).find().unwrap().to_string();
        let held = DataDir::open(data.path()).unwrap();
        assert_eq!(found(None), "http://127.0.0.1:4402/");
        let mut said = serde_json::json!({
            "ready": true, "data_dir": data.path(), "dashboard": null, "api": null, "docs": null,
            "jobserver": null, "clusterer": null, "iserver": {}, "logs": "/l",
            "sandbox": {"rest": "http://127.0.0.1:1/", "gateway": "ws://127.0.0.1:2/", "control": "http://127.0.0.1:3/"},
            "pids": {"splashtail": 1, "bot": {}},
        });
        std::fs::write(held.platform(), said.to_string()).unwrap();
        assert_eq!(found(None), "http://127.0.0.1:3/");
        assert_eq!(found(Some("http://127.0.0.1:9/")), "http://127.0.0.1:9/");
        said["sandbox"] = serde_json::Value::Null;
        std::fs::write(held.platform(), said.to_string()).unwrap();
        let error = address(None).find().unwrap_err().to_string();
        assert!(error.contains("runs on Discord"), "{error}");
        // What a platform said that was killed does not count.
        drop(held);
        assert_eq!(found(None), "http://127.0.0.1:4402/");
    }
}
