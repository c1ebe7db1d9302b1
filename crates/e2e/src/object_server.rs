//! An S3-compatible server in this process, for the production row of the object store.

use std::net::Ipv4Addr;
use std::path::Path;

use anyhow::{Context, Result};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

pub const ACCESS_KEY: &str = "splashtail-test-access";
pub const SECRET_KEY: &str = "splashtail-test-secret-key";
pub const BUCKET: &str = "antiraid";

/// Serves `<root>/antiraid` as a bucket until dropped.
#[derive(Debug)]
pub struct ObjectServer {
    endpoint: String,
    _stop: DropGuard,
}

impl ObjectServer {
    /// # Errors
    /// The directory cannot be created or no port is free.
    pub async fn start(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root.join(BUCKET))?;
        let files = s3s_fs::FileSystem::new(root)
            .map_err(|error| anyhow::anyhow!("cannot serve {}: {error:?}", root.display()))?;
        let mut builder = S3ServiceBuilder::new(files);
        builder.set_auth(SimpleAuth::from_single(ACCESS_KEY, SECRET_KEY));
        let service = builder.build();

        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("no free port")?;
        let endpoint = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = stopped.cancelled() => return,
                };
                let Ok((socket, _)) = accepted else { continue };
                let service = service.clone();
                tokio::spawn(async move {
                    // A client that goes away in the middle of an answer is not an error here.
                    let _ = Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(socket), service)
                        .await;
                });
            }
        });
        Ok(Self {
            endpoint,
            _stop: stop.drop_guard(),
        })
    }

    /// Base address without a trailing slash, path-style.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}
