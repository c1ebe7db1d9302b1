//! The configuration while it is being read: flat where [`Config`] is an enum, and aware of which
//! keys the file set.

use std::collections::BTreeSet;

use secrecy::SecretString;
use url::Url;

use super::reading::Reading;
use super::types::{Config, LOOPBACK, ObjectStorage, local_url, without_slash};
use super::value::show;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum StorageKind {
    S3Like,
    Local,
}

impl StorageKind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::S3Like => "s3-like",
            Self::Local => "local",
        }
    }

    pub(super) fn from_word(word: &str) -> Option<Self> {
        [Self::S3Like, Self::Local]
            .into_iter()
            .find(|kind| kind.word() == word)
    }
}

#[derive(Clone)]
pub(super) struct Draft {
    pub(super) config: Config,
    pub(super) storage: StorageDraft,
    /// Full paths of the keys that have a value.
    pub(super) set: BTreeSet<String>,
}

#[derive(Clone, Default)]
pub(super) struct StorageDraft {
    pub(super) kind: Option<StorageKind>,
    /// The bucket, or the directory.
    pub(super) path: Option<String>,
    pub(super) endpoint: Option<String>,
    pub(super) cdn_endpoint: Option<String>,
    pub(super) access_key: Option<SecretString>,
    pub(super) secret_key: Option<SecretString>,
    pub(super) region: Option<String>,
    pub(super) secure: Option<bool>,
    pub(super) cdn_secure: Option<bool>,
}

impl Draft {
    /// A draft that the file has not touched yet.
    pub(super) fn of_defaults(config: Config) -> Self {
        Self {
            config,
            storage: StorageDraft::default(),
            set: BTreeSet::new(),
        }
    }

    /// A draft from which every value of `config` can be read back.
    pub(super) fn of_config(config: &Config) -> Self {
        let storage = StorageDraft::of(&config.object_storage);
        Self {
            config: config.clone(),
            storage,
            set: BTreeSet::new(),
        }
    }

    fn is_set(&self, path: &str) -> bool {
        self.set.contains(path)
    }

    /// Gives the keys that follow others their values.
    pub(super) fn derive(&mut self) {
        let meta = &mut self.config.meta;
        if !self.set.contains("meta.jobserver_url") {
            meta.jobserver_urls = vec![local_url(meta.jobserver_bind_addr, meta.jobserver_port)];
        }
        if !self.set.contains("meta.clusterer_url") {
            meta.clusterer_url = local_url(meta.clusterer_bind_addr, meta.clusterer_port);
        }
        let proxy = &mut self.config.simple_gateway_proxy;
        if !self.set.contains("simple_gateway_proxy.url") {
            proxy.url = local_url(LOOPBACK, proxy.port);
        }
        if !self.is_set("sites.api") {
            self.config.sites.api = local_url(self.config.meta.bind_addr, self.config.meta.port);
        }
        if !self.is_set("sites.frontend") {
            self.config.sites.frontend = self.config.sites.api.clone();
        }
    }

    /// Turns the storage keys into one typed value, reporting what does not fit together.
    pub(super) fn finish_storage(&mut self, to: &mut Reading<'_>) {
        let embedded = ObjectStorage::Local {
            path: self.config.data_dir.join("objects"),
        };
        self.config.object_storage = match self.storage.kind {
            Some(StorageKind::Local) => match &self.storage.path {
                Some(path) => ObjectStorage::Local {
                    path: to.base.join(path),
                },
                None => {
                    missing("path", "directory", to);
                    embedded
                }
            },
            Some(StorageKind::S3Like) => self.storage.bucket(to).unwrap_or(embedded),
            None => {
                let started = self.storage.path.is_some() || self.storage.endpoint.is_some();
                if started && !self.is_set("object_storage.type") {
                    missing("type", "one of: s3-like, local", to);
                }
                embedded
            }
        };
    }
}

fn missing(key: &str, what: &str, to: &mut Reading<'_>) {
    to.problem(
        &format!("object_storage.{key}"),
        format!("missing (required, {what})"),
    );
}

impl StorageDraft {
    fn of(storage: &ObjectStorage) -> Self {
        match storage.clone() {
            ObjectStorage::Local { path } => Self {
                kind: Some(StorageKind::Local),
                path: Some(path.to_string_lossy().into_owned()),
                ..Self::default()
            },
            ObjectStorage::S3Like {
                bucket,
                endpoint,
                cdn_endpoint,
                access_key,
                secret_key,
                region,
                secure,
                cdn_secure,
            } => Self {
                kind: Some(StorageKind::S3Like),
                path: Some(bucket),
                endpoint: Some(without_slash(&endpoint).to_owned()),
                cdn_endpoint: cdn_endpoint.map(|url| without_slash(&url).to_owned()),
                access_key: Some(access_key),
                secret_key: Some(secret_key),
                region: Some(region),
                secure: Some(secure),
                cdn_secure: Some(cdn_secure),
            },
        }
    }

    fn bucket(&self, to: &mut Reading<'_>) -> Option<ObjectStorage> {
        for (key, what, present) in [
            ("path", "bucket name", self.path.is_some()),
            ("endpoint", "URL", self.endpoint.is_some()),
            ("access_key", "secret string", self.access_key.is_some()),
            ("secret_key", "secret string", self.secret_key.is_some()),
        ] {
            // A key whose value was refused has been reported already.
            if !present && !to.has_problem(&format!("object_storage.{key}")) {
                missing(key, what, to);
            }
        }
        let bucket = self.endpoint.as_deref();
        let bucket = endpoint("endpoint", bucket, "secure", self.secure, to);
        let cdn = self.cdn_endpoint.as_deref();
        let cdn = endpoint("cdn_endpoint", cdn, "cdn_secure", self.cdn_secure, to);
        let endpoint = bucket?;
        let region = region_of(&endpoint);
        Some(ObjectStorage::S3Like {
            bucket: self.path.clone()?,
            secure: endpoint.scheme() == "https",
            cdn_secure: match &cdn {
                Some(url) => url.scheme() == "https",
                None => self.cdn_secure.unwrap_or(true),
            },
            endpoint,
            cdn_endpoint: cdn,
            access_key: self.access_key.clone()?,
            secret_key: self.secret_key.clone()?,
            region: self.region.clone().unwrap_or(region),
        })
    }
}

/// What signatures name when the config does not: the region that an address of AWS states, else
/// the one that S3 takes for the default.
fn region_of(endpoint: &Url) -> String {
    let host = endpoint.host_str().unwrap_or_default();
    host.strip_suffix(".amazonaws.com")
        .and_then(|rest| rest.strip_prefix("s3"))
        .and_then(|rest| rest.strip_prefix(['.', '-']))
        .map(|rest| rest.strip_prefix("dualstack.").unwrap_or(rest))
        .filter(|region| !region.is_empty() && !region.contains('.'))
        .unwrap_or("us-east-1")
        .to_owned()
}

/// Endpoints come with a scheme, or as `host[:port]` with the flag choosing the scheme; without a
/// flag it is https.
fn endpoint(
    key: &str,
    given: Option<&str>,
    flag_key: &str,
    flag: Option<bool>,
    to: &mut Reading<'_>,
) -> Option<Url> {
    let given = given?;
    let scheme = if flag.unwrap_or(true) {
        "https"
    } else {
        "http"
    };
    let parsed = if given.contains("://") {
        Url::parse(given)
    } else {
        Url::parse(&format!("{scheme}://{given}"))
    };
    let path = format!("object_storage.{key}");
    match parsed {
        Ok(url) if matches!(url.scheme(), "http" | "https") && url.has_host() => {
            if flag.is_some() && url.scheme() != scheme {
                to.problem(
                    &format!("object_storage.{flag_key}"),
                    format!("contradicts the {} of object_storage.{key}", url.scheme()),
                );
            }
            Some(url)
        }
        _ => {
            let shown = show(&serde_yaml::Value::from(given));
            to.problem(&path, format!("{shown} is not an http:// or https:// URL"));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_aws_name_their_region() {
        for (address, region) in [
            ("https://s3.eu-central-1.amazonaws.com", "eu-central-1"),
            ("https://s3-eu-west-1.amazonaws.com", "eu-west-1"),
            (
                "https://s3.dualstack.ap-south-1.amazonaws.com",
                "ap-south-1",
            ),
            ("https://s3.amazonaws.com", "us-east-1"),
            ("https://s3.example.com", "us-east-1"),
            ("http://10.0.0.5:9000", "us-east-1"),
        ] {
            assert_eq!(region_of(&address.parse().unwrap()), region, "{address}");
        }
    }
}
