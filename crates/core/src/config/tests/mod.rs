use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::load::load_from;
use super::reading::Sources;
use super::*;

mod arbitrary;
mod layers;
mod layout;
mod pairs;
mod readers;
mod round_trip;
mod search;
mod secrets;

const TOKEN: &str = "hunter2-the-bot-token";
const API_SECRET: &str = "api-secret-aaaaaaaaaaaaaaaaaaaaaaaaaaaa";
const BOT_SECRET: &str = "bot-secret-bbbbbbbbbbbbbbbbbbbbbbbbbbbb";
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// A directory that is the working directory, with its own variables.
struct Place {
    directory: tempfile::TempDir,
    variables: BTreeMap<String, String>,
}

impl Sources for Place {
    fn variable(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }
}

impl Place {
    fn new() -> Self {
        Self {
            directory: tempfile::tempdir().unwrap(),
            variables: BTreeMap::new(),
        }
    }

    fn with(yaml: &str) -> Self {
        let place = Self::new();
        place.write("config.yaml", yaml);
        place
    }

    fn path(&self) -> PathBuf {
        self.directory.path().canonicalize().unwrap()
    }

    fn write(&self, name: &str, content: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn load_as(&self, component: Component) -> Result<Loaded, ConfigError> {
        self.load(&LoadOptions {
            component,
            ..LoadOptions::default()
        })
    }

    fn loaded(&self) -> Loaded {
        self.load_as(Component::All).unwrap()
    }

    fn load(&self, options: &LoadOptions) -> Result<Loaded, ConfigError> {
        load_from(options, &self.path(), self)
    }

    /// Messages without the temporary directory.
    fn plain(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.path().display()), "")
    }

    fn error(&self) -> String {
        self.plain(&self.load_as(Component::All).unwrap_err().to_string())
    }

    fn warnings(&self) -> String {
        self.plain(&self.loaded().warnings.join("\n"))
    }
}

fn everything() -> String {
    format!(
        r#"
environment: prod
data_dir: elsewhere
discord_auth:
  token: {TOKEN}
  client_id: 849331145862283275
  client_secret: "literal:file:odd secret"
  can_use_bot: [849331145862283275, "1100000000000000010"]
  root_users: ["1100000000000000010"]
discord: {{ api_base: "http://127.0.0.1:4400", cdn_base: "http://127.0.0.1:4400/cdn", authorize_url: "http://127.0.0.1:4400/oauth2/authorize" }}
sites: {{ frontend: {{ staging: https://s.example.com, prod: https://example.com }}, api: https://api.example.com }}
servers: {{ main: "1100000000001179648" }}
meta:
  postgres_url: postgresql:///antiraid
  redis_url: {{ staging: redis://localhost:6379/1, prod: redis://:pw@localhost:6379/2 }}
  bot_redis_url: redis://localhost:6379/0
  port: {{ staging: 9081, prod: 9082 }}
  bind_addr: 127.0.0.1
  admin_port: 9083
  admin_bind_addr: "::1"
  bot_iserver_base_port: {{ staging: 9100, prod: 9200 }}
  bot_bind_addr: 127.0.0.2
  jobserver_port: 9084
  jobserver_bind_addr: 127.0.0.3
  jobserver_url: http://jobs.internal:9084
  jobserver_secrets:
    staging: {{ api: x{API_SECRET}, bot: x{BOT_SECRET} }}
    prod: {{ api: {API_SECRET}, bot: {BOT_SECRET} }}
  clusterer_port: 9085
  clusterer_bind_addr: 127.0.0.4
  clusterer_url: http://clusters.internal:9085
  trusted_proxies: [10.0.0.1]
  proxy: http://127.0.0.1:3219
  dp_secret: dp
  data_key: {KEY}
  link_key: link
  plain_client_secret: true
  web_disable_ratelimits: true
  maintenance: true
  support_server: https://discord.gg/example
  presence: [one, "two: three"]
simple_gateway_proxy: {{ port: 9086, url: http://proxy.internal:9086 }}
proxy: {{ enabled: true, intents: 513, shards: 8, client_shards: 16, resume_window: 60, replay_mb: 7, client_queue_mb: 3, admin_secret: admin }}
jobs: {{ capacity: 9, keep_days: 0 }}
object_storage: {{ type: s3-like, path: bucket, endpoint: "127.0.0.1:9000", cdn_endpoint: "https://cdn.example.com/b", access_key: ak, secret_key: sk, region: eu-west-3, secure: false }}
plans: {{ free: {{ total_max_messages: 5000, guild_asset_reencode_quality: 10 }} }}
"#
    )
}

/// Debug output shows everything but secrets, and the effective config shows those too.
fn assert_same(left: &Config, right: &Config) {
    assert_eq!(format!("{left:#?}"), format!("{right:#?}"));
    assert_eq!(left.to_yaml(), right.to_yaml());
}

#[test]
fn this_machine_is_known_by_its_addresses() {
    let local = |url: &str| is_local(&url.parse().unwrap());
    for url in [
        "http://localhost:1",
        "http://discord.localhost",
        "http://127.0.0.2",
        "http://0.0.0.0:8081",
        "http://[::1]:8081",
    ] {
        assert!(local(url), "{url}");
    }
    for url in [
        "https://discord.com",
        "http://localhost.example.org",
        "http://10.0.0.1",
    ] {
        assert!(!local(url), "{url}");
    }
}
