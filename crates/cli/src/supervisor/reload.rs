//! What a reload (SIGHUP) changes: config and cluster file are read anew. What was bound or opened
//! at the start stays until the next start.

use anyhow::{Result, bail};
use splashtail_core::config::{Component, Difference};

use super::plan::Plan;

impl Plan {
    /// Reads everything again and, when it is valid, puts it where the daemons read it. Says in
    /// words what changed.
    ///
    /// # Errors
    /// All that is wrong with the files; nothing has changed then.
    pub(super) fn reload(&mut self) -> Result<Vec<String>> {
        let loaded = self.read_again()?;
        let (old, new) = (self.written.environment, loaded.config.environment);
        if old != new {
            bail!("the environment is {new} now and was {old}: start splashtail again");
        }
        let mut lines: Vec<_> = loaded.warnings.clone();
        let mut written = loaded.config;
        let fixed = self.written.differences(&written);
        lines.extend(fixed.iter().filter(|one| one.fixed).map(|one| {
            format!("{one} only when splashtail is started again; until then the old value counts")
        }));
        written.keep_fixed(&self.written);
        let effective = self.effective(&written)?;
        let changes = self.config.differences(&effective);
        lines.extend(changes.iter().map(|one| format!("{one} {}", when(one))));

        let before = std::fs::read(self.cluster_file()).ok();
        let old = std::mem::replace(&mut self.config, effective);
        if let Err(error) = self.write() {
            self.config = old;
            return Err(error);
        }
        self.written = written;
        let after = std::fs::read(self.cluster_file()).ok();
        if before != after {
            lines.push(
                "the cluster file changed: clusterer and webserver take it over now, clusters their \
                 arguments at their next start"
                    .to_owned(),
            );
        }
        if lines.is_empty() {
            lines.push("the configuration is what it was".to_owned());
        }
        Ok(lines)
    }
}

/// When those who read a key take its new value over.
fn when(change: &Difference) -> &'static str {
    let only_the_bot = change.readers == [Component::Bot];
    match (change.readers.contains(&Component::Bot), only_the_bot) {
        (false, _) => "now",
        (true, true) => "when clusters start again: splashtail clusters rolling-restart",
        (true, false) => {
            "now; for the bot when clusters start again: splashtail clusters rolling-restart"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::daemons::{PlanOptions, Role};
    use super::*;
    use splashtail_core::config::{Config, LoadOptions};
    use splashtail_core::data_dir::DataDir;
    use splashtail_core::environment::Environment;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    fn write(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// `up --free-ports` without a token, as far as the plan goes. Binaries are not started.
    fn plan(root: &Path) -> Plan {
        let load = LoadOptions {
            path: Some(root.join("config.yaml")),
            component: Component::All,
            ..LoadOptions::default()
        };
        let loaded = Config::load(&load).unwrap();
        let data_dir = DataDir::open(&loaded.config.data_dir).unwrap();
        let options = PlanOptions {
            free_ports: true,
            bin_dir: Some(root.to_owned()),
            ..PlanOptions::default()
        };
        Plan::make(Role::Jobs, load, loaded, data_dir, options).unwrap()
    }

    #[test]
    fn what_changed_is_said_and_written_where_daemons_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let config = root.join("config.yaml");
        let cluster_file = root.join("mewld-staging.yaml");
        write(
            &config,
            "meta: {support_server: 'https://discord.gg/old'}\n",
        );
        write(&cluster_file, "allowed_ids: [\"1100000000000000010\"]\n");
        let mut plan = plan(root);
        assert_eq!(plan.reload().unwrap(), ["the configuration is what it was"]);

        // An operator is removed, a limit raised, and a port cannot move under way.
        write(
            &config,
            "meta: {support_server: 'https://discord.gg/new', jobserver_port: 9999, maintenance: true}\n",
        );
        write(&cluster_file, "allowed_ids: []\n");
        let lines = plan.reload().unwrap().join("\n");
        for part in [
            "meta.jobserver_port changed from 2939 to 9999: only when splashtail is started again",
            "meta.maintenance changed from false to true: now; for the bot when clusters start again",
            "the cluster file changed",
        ] {
            assert!(lines.contains(part), "{part} in:\n{lines}");
        }
        let effective = plan.data_dir.effective_config();
        let text = fs::read_to_string(&effective).unwrap();
        assert!(
            text.contains("discord.gg/new") && !text.contains("9999"),
            "{text}"
        );
        let copy = fs::read_to_string(Environment::Staging.cluster_file(Some(&effective))).unwrap();
        assert_eq!(copy, "allowed_ids: []\n");

        // Nothing of a broken file is taken over.
        for (path, broken) in [
            (&config, "meta: {port: 0}\n"),
            (&cluster_file, "per_cluster: no\n"),
        ] {
            let before = fs::read_to_string(path).unwrap();
            write(path, broken);
            assert!(plan.reload().is_err(), "{broken}");
            assert_eq!(fs::read_to_string(&effective).unwrap(), text);
            write(path, &before);
        }
        // Nor of a good one beside it.
        let (good, whole) = (
            fs::read_to_string(&config).unwrap(),
            fs::read_to_string(&cluster_file).unwrap(),
        );
        write(&config, &good.replace("discord.gg/new", "discord.gg/newer"));
        write(&cluster_file, "per_cluster: no\n");
        assert!(plan.reload().is_err());
        assert_eq!(fs::read_to_string(&effective).unwrap(), text);
        write(&config, &good);
        write(&cluster_file, &whole);
        assert_eq!(
            plan.reload().unwrap().len(),
            1,
            "9999 is still not in force"
        );
    }
}
