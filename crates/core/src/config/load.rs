//! From a file to a [`Config`]: which file, which environment, and everything that is wrong at
//! once.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_yaml::Mapping;
use tracing::{info, warn};

use super::component::Component;
use super::draft::Draft;
use super::problem::{ConfigError, SampleNote};
use super::reading::{Reading, Sources, is_absent};
use super::syntax::parse;
use super::types::Config;
use super::{check, document, sample, schema, unknown};
use crate::data_dir::{DataPaths, Secrets};
use crate::environment::Environment;
use crate::telemetry::Chain;
use crate::text;

/// Names the config file for every process that gets no `--config`.
pub const CONFIG_VARIABLE: &str = "SPLASHTAIL_CONFIG";
const FILE_NAME: &str = "config.yaml";
/// The file may be readable and writable, for its owner.
const PRIVATE: u32 = 0o600;

#[derive(Debug, Clone, Default)]
pub struct LoadOptions {
    /// `--config`
    pub path: Option<PathBuf>,
    /// `--env`
    pub environment: Option<Environment>,
    pub component: Component,
    /// `--data-dir`; relative to the working directory.
    pub data_dir: Option<PathBuf>,
    /// Use the embedded defaults when none of the searched files exists. A file that was named
    /// has to exist all the same.
    pub allow_missing: bool,
}

#[derive(Debug)]
pub struct Loaded {
    pub config: Config,
    /// The file that was used; `None` when there was none.
    pub path: Option<PathBuf>,
    pub warnings: Vec<String>,
}

impl Loaded {
    /// Logs, once at start, what was loaded and every warning.
    pub fn announce(&self) {
        let environment = self.config.environment.as_str();
        match &self.path {
            Some(path) => info!(environment, path = %path.display(), "configuration loaded"),
            None => info!(environment, "no config file, embedded defaults are used"),
        }
        for warning in &self.warnings {
            warn!("config: {warning}");
        }
    }
}

impl Config {
    /// Reads the file named by `options.path`, else by `SPLASHTAIL_CONFIG`, else `./config.yaml`,
    /// else `../config.yaml`. Secrets that it leaves open come from `secrets.yaml` of the data
    /// directory when that exists.
    ///
    /// # Errors
    /// All problems together in [`ConfigError::Invalid`]; or there is no file, or no YAML in it.
    pub fn load(options: &LoadOptions) -> Result<Loaded, ConfigError> {
        load_from(options, Path::new("."), &Process)
    }

    /// Refuses to run a command that only makes sense with a bot account.
    ///
    /// # Errors
    /// [`ConfigError::NoToken`], which points to `splashtail up`.
    pub fn require_token(&self, command: &str, path: Option<&Path>) -> Result<(), ConfigError> {
        match self.discord_auth.token {
            Some(_) => Ok(()),
            None => Err(ConfigError::NoToken {
                command: command.to_owned(),
                path: path.map(Path::to_owned),
            }),
        }
    }
}

struct Process;

impl Sources for Process {
    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }

    fn read(&self, path: &Path) -> io::Result<String> {
        fs::read_to_string(path)
    }
}

pub(super) fn load_from(
    options: &LoadOptions,
    directory: &Path,
    sources: &dyn Sources,
) -> Result<Loaded, ConfigError> {
    let mut warnings = Vec::new();
    let path = find(options, directory, sources)?;
    let document = match &path {
        Some(path) => {
            warnings.extend(mode_warning(path));
            parse(path, &read(path)?)?
        }
        None => Mapping::new(),
    };
    let base = absolute(path.as_deref().and_then(Path::parent).unwrap_or(directory));
    let environment = environment(options, path.as_deref(), &document, &base)?;

    let mut draft = Draft::of_defaults(Config::embedded(&base.join("data"), environment));
    let mut reading = Reading {
        sources,
        base,
        environment,
        checks_other_half: false,
        problems: Vec::new(),
        warnings,
    };
    document::read(&document, options.component, &mut draft, &mut reading);
    unknown::report(&document, &mut reading);
    draft.config.environment = environment;
    if let Some(data_dir) = &options.data_dir {
        draft.config.data_dir = absolute(&directory.join(data_dir));
    }
    fill_secrets(&mut draft.config, &mut reading);
    draft.derive();
    draft.finish_storage(&mut reading);
    check::required(options.component, &mut draft, &mut reading);
    if options.component == Component::All {
        check::combinations(&draft.config, &mut reading);
        check::ports(&draft, &document, &mut reading);
    }

    let Reading {
        mut problems,
        warnings,
        ..
    } = reading;
    if problems.is_empty() {
        return Ok(Loaded {
            config: draft.config,
            path,
            warnings,
        });
    }
    problems.sort_by_key(|problem| {
        schema::keys()
            .position(|(path, _)| problem.key.starts_with(&path))
            .unwrap_or(usize::MAX)
    });
    Err(ConfigError::Invalid { path, problems })
}

fn find(
    options: &LoadOptions,
    directory: &Path,
    sources: &dyn Sources,
) -> Result<Option<PathBuf>, ConfigError> {
    if let Some(path) = &options.path {
        let path = below(directory, path);
        return if path.exists() {
            Ok(Some(path))
        } else {
            Err(ConfigError::Missing {
                sample: sample::write_beside(&path),
                tried: vec![path],
            })
        };
    }
    if let Some(path) = sources
        .variable(CONFIG_VARIABLE)
        .filter(|path| !path.is_empty())
    {
        let path = below(directory, path);
        return if path.exists() {
            Ok(Some(path))
        } else {
            Err(ConfigError::Missing {
                sample: SampleNote::NotWritten,
                tried: vec![path],
            })
        };
    }
    let searched = [
        below(directory, FILE_NAME),
        below(directory, Path::new("..").join(FILE_NAME)),
    ];
    if let Some(path) = searched.iter().find(|path| path.exists()) {
        return Ok(Some(path.clone()));
    }
    if options.allow_missing {
        return Ok(None);
    }
    let sample = sample::write_beside(&searched[0]);
    Err(ConfigError::Missing {
        tried: searched.into(),
        sample,
    })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    let bytes = fs::read(path).map_err(|source| ConfigError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    String::from_utf8(bytes)
        .map(text::without_mark)
        .map_err(|error| {
            let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
            ConfigError::NotText {
                path: path.to_owned(),
                line,
            }
        })
}

fn environment(
    options: &LoadOptions,
    path: Option<&Path>,
    document: &Mapping,
    base: &Path,
) -> Result<Environment, ConfigError> {
    if let Some(environment) = options.environment {
        return Ok(environment);
    }
    if let Some(value) = document
        .get("environment")
        .filter(|value| !is_absent(value))
    {
        let word = value.as_str().unwrap_or("a value that is no string");
        let file = path.unwrap_or(Path::new(FILE_NAME));
        return known(word, &format!("`environment` of {}", file.display()));
    }
    let file = base.join("config/current-env");
    match text::read(&file) {
        Ok(word) => known(&word, &file.display().to_string()),
        Err(error) if is_nothing(&error) => Ok(Environment::default()),
        Err(source) => Err(ConfigError::Unreadable { path: file, source }),
    }
}

fn is_nothing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn known(word: &str, origin: &str) -> Result<Environment, ConfigError> {
    word.parse().map_err(|_| ConfigError::Environment {
        word: word.trim().to_owned(),
        origin: origin.to_owned(),
    })
}

fn fill_secrets(config: &mut Config, reading: &mut Reading<'_>) {
    match Secrets::read(&DataPaths::new(&config.data_dir).secrets_file()) {
        Ok(Some(secrets)) => secrets.apply(config),
        Ok(None) => {}
        // Who needs one of them will find it missing.
        Err(error) => reading.warn(Chain(&error).to_string()),
    }
}

fn mode_warning(path: &Path) -> Option<String> {
    let mode = fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    let shown = path.display();
    (mode & !PRIVATE != 0).then(|| {
        format!(
            "{shown} has mode {mode:04o}, wider than 0600, and holds secrets: chmod 600 {shown}"
        )
    })
}

/// `path` as the operator would write it: the working directory is not spelled out.
fn below(directory: &Path, path: impl AsRef<Path>) -> PathBuf {
    if directory == Path::new(".") {
        path.as_ref().to_owned()
    } else {
        directory.join(path)
    }
}

/// Without symbolic links and `..` where the path exists.
fn absolute(path: &Path) -> PathBuf {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    path.canonicalize()
        .or_else(|_| std::path::absolute(path))
        .unwrap_or_else(|_| path.to_owned())
}
