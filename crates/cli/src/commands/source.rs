//! The flags that choose a configuration, the same for every command that reads one.

use std::path::PathBuf;

use splashtail_core::config::{Component, Config, ConfigError, LoadOptions, Loaded};
use splashtail_core::data_dir::DataPaths;
use splashtail_core::environment::Environment;

use crate::supervisor::report::Ready;

#[derive(Debug, Clone, Default, clap::Args)]
pub struct ConfigSource {
    /// Config file.
    #[arg(long, value_name = "PATH")]
    pub config: Option<PathBuf>,
    /// `staging` or `prod`.
    #[arg(long, value_name = "NAME")]
    pub env: Option<Environment>,
    /// Where everything is kept; default `data` beside the config.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl ConfigSource {
    /// Loads what the flags name. Without any file the embedded defaults are used, as `up` does.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn load_or_embedded(&self, component: Component) -> Result<Loaded, ConfigError> {
        self.load(component, true)
    }

    /// Loads what the flags name; there has to be a file.
    ///
    /// # Errors
    /// See [`Config::load`].
    pub fn load_file(&self, component: Component) -> Result<Loaded, ConfigError> {
        self.load(component, false)
    }

    /// The platform that runs in the data directory, as it said when it was ready; wherever its
    /// ports are. `None` when none runs there.
    pub fn platform(&self) -> Option<Ready> {
        let root = match &self.data_dir {
            Some(root) => root.clone(),
            // What is wrong with the configuration, others will say.
            None => self.load_or_embedded(Component::Cli).ok()?.config.data_dir,
        };
        let paths = DataPaths::new(root);
        if !paths.is_in_use() {
            return None;
        }
        let said = std::fs::read(paths.platform()).ok()?;
        serde_json::from_slice(&said).ok()
    }

    /// What a platform of this data directory runs with, or ran with last; `loaded` when there was
    /// none. The path stays that of the operator's file.
    pub fn in_force(&self, loaded: Loaded) -> Loaded {
        let effective = DataPaths::new(&loaded.config.data_dir).effective_config();
        if !effective.exists() {
            return loaded;
        }
        let options = LoadOptions {
            path: Some(effective),
            environment: self.env,
            data_dir: Some(loaded.config.data_dir.clone()),
            component: Component::Cli,
            allow_missing: false,
        };
        match Config::load(&options) {
            Ok(Loaded { config, .. }) => Loaded { config, ..loaded },
            // Half a file of a full disk: the operator's own is the better guess.
            Err(_) => loaded,
        }
    }

    fn load(&self, component: Component, allow_missing: bool) -> Result<Loaded, ConfigError> {
        Config::load(&LoadOptions {
            path: self.config.clone(),
            environment: self.env,
            data_dir: self.data_dir.clone(),
            component,
            allow_missing,
        })
    }
}
