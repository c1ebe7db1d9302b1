//! Reading what tasks left in the object store.

mod keep;

use std::path::PathBuf;

use futures_util::TryFutureExt;
use http::Method;
use object_store::aws::AmazonS3;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{GetOptions, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt};
use splashtail_core::config::ObjectStorage;
use splashtail_core::ids::TaskId;
use splashtail_objects::{Patience, Place, Side, place};
use splashtail_storage::{Owner, TaskOutput};
use url::Url;

use crate::links::LIFETIME;

#[derive(Debug, thiserror::Error)]
pub enum ObjectsError {
    #[error("cannot create the directory {path} (`object_storage.path`)")]
    Directory {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the object store cannot be used (`object_storage`)")]
    Configuration(#[from] object_store::Error),
}

#[derive(Debug)]
pub enum Objects {
    Local(LocalFileSystem),
    /// `links` signs for the address that browsers use.
    S3 {
        store: Box<AmazonS3>,
        links: Box<AmazonS3>,
    },
}

/// Which object: its task, its owner and the name of the file.
#[derive(Debug, Clone, Copy)]
pub struct OutputOf<'a> {
    pub task: TaskId,
    pub name: &'a str,
    pub owner: Owner,
    pub output: &'a TaskOutput,
}

impl Objects {
    /// # Errors
    /// See [`ObjectsError`].
    pub fn open(config: &ObjectStorage) -> Result<Self, ObjectsError> {
        let open = |side| place(config, side, Patience::Work);
        match (open(Side::Inside)?, open(Side::Outside)?) {
            (Place::Bucket(store), Place::Bucket(links)) => Ok(Self::S3 { store, links }),
            (Place::Directory(path), _) | (_, Place::Directory(path)) => {
                std::fs::create_dir_all(path).map_err(|source| ObjectsError::Directory {
                    path: path.to_owned(),
                    source,
                })?;
                Ok(Self::Local(LocalFileSystem::new_with_prefix(path)?))
            }
        }
    }

    fn store(&self) -> &dyn ObjectStore {
        match self {
            Self::Local(store) => store,
            Self::S3 { store, .. } => store.as_ref(),
        }
    }

    /// `None` when the object is gone.
    ///
    /// # Errors
    /// The store failed.
    pub async fn find(
        &self,
        output: &OutputOf<'_>,
    ) -> Result<Option<ObjectMeta>, object_store::Error> {
        for path in output.paths() {
            match self.store().head(&path).await {
                Ok(meta) => return Ok(Some(meta)),
                Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// # Errors
    /// The store failed, or the range lies outside of the object.
    pub async fn read(
        &self,
        path: &Path,
        options: GetOptions,
    ) -> Result<GetResult, object_store::Error> {
        self.store().get_opts(path, options).await
    }

    /// A link that needs no further rights for [`LIFETIME`]; `None` for a local store, whose
    /// objects we serve ourselves.
    ///
    /// # Errors
    /// Signing failed.
    pub async fn presign(
        &self,
        path: &Path,
        filename: &str,
    ) -> Result<Option<Url>, object_store::Error> {
        let Self::S3 { links, .. } = self else {
            return Ok(None);
        };
        let disposition = content_disposition(filename);
        let options =
            SignedUrlOptions::new().with_query([("response-content-disposition", disposition)]);
        links
            .signed_url_opts(Method::GET, path, LIFETIME, &options)
            .map_ok(Some)
            .await
    }
}

impl OutputOf<'_> {
    /// Where the object may lie. The original doubled the filename of segregated outputs.
    fn paths(&self) -> Vec<Path> {
        let filename = &self.output.filename;
        if !self.output.segregated {
            return vec![Path::from(format!("tasks/{}/{filename}", self.task))];
        }
        let owner = match self.owner {
            Owner::Server(id) => format!("server/{id}"),
            Owner::User(id) => format!("user/{id}"),
        };
        let prefix = format!("{owner}/{}/{}", self.name, self.task);
        vec![
            Path::from(format!("{prefix}/{filename}")),
            Path::from(format!("{prefix}/{filename}/{filename}")),
        ]
    }
}

/// RFC 6266: a plain name for old clients, the exact one in UTF-8 for the others.
pub fn content_disposition(filename: &str) -> String {
    let plain: String = filename
        .chars()
        .map(|c| {
            if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '/') {
                c
            } else {
                '_'
            }
        })
        .collect();
    let mut value = format!("attachment; filename=\"{plain}\"");
    if plain != filename {
        value.push_str("; filename*=UTF-8''");
        for byte in filename.bytes() {
            if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
                value.push(char::from(byte));
            } else {
                value.push_str(&format!("%{byte:02X}"));
            }
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use splashtail_core::ids::GuildId;

    use super::*;

    #[test]
    fn names_cannot_break_out_of_the_header() {
        assert_eq!(
            content_disposition("a-b.iblfile"),
            "attachment; filename=\"a-b.iblfile\""
        );
        assert_eq!(
            content_disposition("a\"; x=é\r\n"),
            "attachment; filename=\"a_;_x=___\"; filename*=UTF-8''a%22%3B%20x%3D%C3%A9%0D%0A"
        );
    }

    #[tokio::test]
    async fn links_to_a_bucket_go_to_its_public_address_for_ten_minutes() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let storage = |cdn: Option<&str>| ObjectStorage::S3Like {
            bucket: "backups".to_owned(),
            endpoint: "http://10.0.0.5:9000".parse().unwrap(),
            cdn_endpoint: cdn.map(|cdn| cdn.parse().unwrap()),
            access_key: "access".to_owned().into(),
            secret_key: "secret".to_owned().into(),
            region: "us-east-1".to_owned(),
            secure: false,
            cdn_secure: true,
        };
        for (cdn, origin) in [
            (None, "http://10.0.0.5:9000"),
            (Some("https://cdn.test"), "https://cdn.test"),
        ] {
            let objects = Objects::open(&storage(cdn)).unwrap();
            let link = objects
                .presign(&Path::from("tasks/1/a.iblfile"), "a.iblfile")
                .await;
            let link = link.unwrap().unwrap();
            assert_eq!(link.origin().ascii_serialization(), origin);
            assert_eq!(link.path(), "/backups/tasks/1/a.iblfile");
            let query: std::collections::HashMap<_, _> = link.query_pairs().collect();
            assert_eq!(query["X-Amz-Expires"], "600");
            assert_eq!(
                query["response-content-disposition"],
                "attachment; filename=\"a.iblfile\""
            );
            assert!(!link.as_str().contains("secret"));
        }
    }

    #[test]
    fn segregated_outputs_are_also_found_under_the_doubled_name() {
        let task: TaskId = "6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11".parse().unwrap();
        let owner = Owner::Server(GuildId::new(5).unwrap());
        let paths = |segregated| {
            let output = TaskOutput {
                filename: "f.txt".to_owned(),
                segregated,
            };
            let output = OutputOf {
                task,
                name: "prune",
                owner,
                output: &output,
            };
            output
                .paths()
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
        };
        assert_eq!(
            paths(false),
            ["tasks/6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11/f.txt"]
        );
        assert_eq!(
            paths(true),
            [
                "server/5/prune/6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11/f.txt",
                "server/5/prune/6f1c9c5a-4b1d-4c1e-9d0a-0d6a3f3f5f11/f.txt/f.txt"
            ]
        );
    }
}
