//! What differs between two configurations, for a reload.

use std::fmt;

use serde_yaml::Value;
use url::Url;

use super::component::Component;
use super::draft::Draft;
use super::schema;
use super::types::{Config, LOOPBACK, local_url};

/// Longer values are not worth a line of a log.
const LONGEST_SHOWN: usize = 60;

/// A key with two values. Displays without the value of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub key: String,
    /// The daemons that read it.
    pub readers: Vec<Component>,
    /// Only a new start of everything can change it.
    pub fixed: bool,
    /// Both values, unless they are secret.
    values: Option<(String, String)>,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.values {
            Some((old, new)) => write!(f, "{} changed from {old} to {new}:", self.key),
            None => write!(f, "{} changed:", self.key),
        }
    }
}

impl Config {
    /// From this configuration to `other`, in the order of the sample file.
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let (mut old, mut new) = (Draft::of_config(self), Draft::of_config(other));
        let differs = schema::keys().filter_map(|(path, key)| {
            let values = (key.field.write(&mut old), key.field.write(&mut new));
            (values.0 != values.1).then(|| Difference {
                key: path,
                readers: Component::readers_of(key),
                fixed: key.fixed,
                values: (!key.field.is_secret()).then(|| (shown(values.0), shown(values.1))),
            })
        });
        differs.collect()
    }

    /// Takes the values of the keys that cannot change under way from `running`.
    pub fn keep_fixed(&mut self, running: &Self) {
        let derived = self.own_addresses();
        let (mut from, mut to) = (Draft::of_config(running), Draft::of_config(self));
        for (_, key) in schema::keys().filter(|(_, key)| key.fixed) {
            key.field.copy(&mut from, &mut to);
        }
        *self = to.config;
        // Addresses that followed a port follow the one that stays.
        let kept = self.own_addresses();
        let jobservers = self.meta.jobserver_urls.iter_mut();
        let jobservers = jobservers.map(|url| (url, (&derived.0, &kept.0)));
        for (place, (old, new)) in jobservers.chain([
            (&mut self.meta.clusterer_url, (&derived.1, &kept.1)),
            (&mut self.simple_gateway_proxy.url, (&derived.3, &kept.3)),
            (&mut self.sites.api, (&derived.2, &kept.2)),
            (&mut self.sites.frontend, (&derived.2, &kept.2)),
        ]) {
            if place == old {
                place.clone_from(new);
            }
        }
    }

    /// Jobserver, clusterer, webserver and gateway proxy as they are reached when no key says so.
    fn own_addresses(&self) -> (Url, Url, Url, Url) {
        let meta = &self.meta;
        (
            local_url(meta.jobserver_bind_addr, meta.jobserver_port),
            local_url(meta.clusterer_bind_addr, meta.clusterer_port),
            local_url(meta.bind_addr, meta.port),
            local_url(LOOPBACK, self.simple_gateway_proxy.port),
        )
    }
}

fn shown(value: Option<Value>) -> String {
    let text = match value {
        None => "nothing".to_owned(),
        Some(Value::String(text)) => text,
        Some(value) => serde_json::to_string(&value).unwrap_or_default(),
    };
    match text.char_indices().nth(LONGEST_SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::environment::Environment;

    fn config() -> Config {
        Config::embedded(Path::new("/srv/data"), Environment::Staging)
    }

    #[test]
    fn every_key_that_differs_is_named_and_no_secret_shown() {
        assert_eq!(config().differences(&config()), []);
        let mut other = config();
        other.meta.port = 9000;
        other.meta.maintenance = true;
        other.meta.dp_secret = Some("hunter2".into());
        other.meta.redis_url = Some("redis://:hunter2@h".into());
        other.meta.presence = vec!["a".to_owned(), "b".repeat(90)];
        let found = config().differences(&other);
        let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            lines[..4],
            [
                "meta.redis_url changed:",
                "meta.port changed from 8081 to 9000:",
                "meta.dp_secret changed:",
                "meta.maintenance changed from false to true:",
            ]
        );
        assert!(
            lines[4].starts_with("meta.presence changed from [] to [\"a\",\"bbb"),
            "{lines:?}"
        );
        assert!(lines[4].chars().count() < 120);
        assert!(!format!("{found:?}").contains("hunter2"));
        assert_eq!(found[3].readers, [Component::Webserver, Component::Bot]);
    }

    #[test]
    fn what_is_bound_or_opened_stays() {
        let mut other = config();
        other.meta.port = 9000;
        other.meta.maintenance = true;
        other.meta.redis_url = Some("redis://h".into());
        other.keep_fixed(&config());
        let left = config().differences(&other);
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(!left[0].fixed && left[0].key == "meta.maintenance");
        // What is set and was not is taken away, what was set and is not comes back.
        other.meta.jobserver_port = 9001;
        other.meta.jobserver_urls = vec!["http://127.0.0.1:9001".parse().unwrap()];
        other.keep_fixed(&config());
        assert_eq!(other.meta.jobserver_urls, config().meta.jobserver_urls);
        let mut running = config();
        running.meta.redis_url = Some("redis://h".into());
        let mut fresh = config();
        fresh.keep_fixed(&running);
        assert_eq!(running.differences(&fresh), []);
    }
}
