//! What `splashtail up` says once everything is ready: a table for people, one JSON line for
//! programs.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

/// The line of `up --json` (decisions, "Running" 7). Addresses are where the listeners really are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ready {
    pub ready: bool,
    pub data_dir: PathBuf,
    pub dashboard: Option<Url>,
    pub api: Option<Url>,
    pub docs: Option<Url>,
    pub jobserver: Option<Url>,
    pub clusterer: Option<Url>,
    /// Internal server of each cluster, by cluster id.
    pub iserver: BTreeMap<u16, Url>,
    pub sandbox: Option<SandboxAddresses>,
    pub logs: PathBuf,
    pub pids: Pids,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SandboxAddresses {
    pub rest: Url,
    pub gateway: Url,
    pub control: Url,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pids {
    pub splashtail: u32,
    /// One process per cluster, by cluster id.
    pub bot: BTreeMap<u16, u32>,
    /// Every daemon there is, by name; `null` for those that this command does not run.
    #[serde(flatten)]
    pub daemons: BTreeMap<String, Option<u32>>,
}

impl Pids {
    pub fn daemon(&self, name: &str) -> Option<u32> {
        self.daemons.get(name).copied().flatten()
    }
}

impl fmt::Display for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: &dyn fmt::Display| writeln!(f, "  {name:<12} {value}");
        if let Some(url) = &self.dashboard {
            row("Website", url)?;
        }
        if let Some(url) = &self.docs {
            row("API docs", url)?;
        }
        if let Some(sandbox) = &self.sandbox {
            row(
                "Sandbox",
                &format_args!("{} (a simulated Discord to try things on)", sandbox.control),
            )?;
        }
        if let (Some(url), None) = (&self.jobserver, &self.dashboard) {
            row("Jobserver", url)?;
        }
        if !self.iserver.is_empty() {
            row("Clusters", &format_args!("{} up", self.iserver.len()))?;
        }
        row("Logs", &self.logs.display())?;
        row("Stop", &"Ctrl-C")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ready() -> Ready {
        let url = |text: &str| Url::parse(text).unwrap();
        Ready {
            ready: true,
            data_dir: "/srv/data".into(),
            dashboard: Some(url("http://127.0.0.1:8081")),
            api: Some(url("http://127.0.0.1:8081")),
            docs: Some(url("http://127.0.0.1:8081/docs")),
            jobserver: Some(url("http://127.0.0.1:2939")),
            clusterer: Some(url("http://127.0.0.1:1293")),
            iserver: BTreeMap::from([(0, url("http://127.0.0.1:5000"))]),
            sandbox: None,
            logs: "/srv/data/logs".into(),
            pids: Pids {
                splashtail: 7,
                bot: BTreeMap::from([(0, 12)]),
                daemons: BTreeMap::from([
                    ("webserver".to_owned(), Some(8)),
                    ("sandbox".to_owned(), None),
                ]),
            },
        }
    }

    #[test]
    fn json_has_the_documented_keys() {
        let value = serde_json::to_value(ready()).unwrap();
        let mut keys: Vec<_> = value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        keys.sort_unstable();
        assert_eq!(
            keys,
            [
                "api",
                "clusterer",
                "dashboard",
                "data_dir",
                "docs",
                "iserver",
                "jobserver",
                "logs",
                "pids",
                "ready",
                "sandbox"
            ]
        );
        assert_eq!(value["iserver"]["0"], "http://127.0.0.1:5000/");
        assert_eq!(value["pids"]["bot"]["0"], 12);
        assert_eq!(value["pids"]["webserver"], 8);
        assert!(value["pids"]["sandbox"].is_null());
        assert_eq!(
            serde_json::from_value::<Ready>(value.clone()).unwrap(),
            ready()
        );
        assert!(value["sandbox"].is_null());
    }

    #[test]
    fn table_tells_where_to_go_and_how_to_stop() {
        let table = ready().to_string();
        for expected in [
            "Website      http://127.0.0.1:8081/",
            "API docs",
            "Logs",
            "Stop         Ctrl-C",
        ] {
            assert!(
                table.contains(expected),
                "{expected} is missing in:\n{table}"
            );
        }
        assert!(!table.contains("Sandbox"));
    }
}
