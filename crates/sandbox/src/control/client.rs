//! A client of the control API, for the command line and for tests.
//!
//! Plain HTTP/1 to a loopback address: one connection per call, no TLS, no pool.

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use splashtail_sandbox_world::faults::{ActiveRule, Rule};
use splashtail_sandbox_world::journal::Entry;
use splashtail_sandbox_world::openapi::Violation;
use tokio::net::TcpStream;
use url::Url;

use super::types::*;

#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    #[error("`{0}` is not an http:// address of a control API")]
    Address(String),
    #[error("the sandbox at {address} cannot be reached")]
    Connect {
        address: String,
        #[source]
        source: std::io::Error,
    },
    #[error("the sandbox broke off the call")]
    Http(#[from] hyper::Error),
    #[error("{status}: {message}")]
    Refused {
        status: u16,
        code: String,
        message: String,
        body: Value,
    },
    #[error("the sandbox's answer cannot be read")]
    Decode(#[from] serde_json::Error),
}

/// Speaks to one sandbox.
#[derive(Debug, Clone)]
pub struct ControlClient {
    base: Url,
}

impl ControlClient {
    /// `base` is the origin of the control listener, as `http://127.0.0.1:4402`.
    pub fn new(base: &Url) -> Result<Self, ControlError> {
        if base.scheme() != "http" || base.host_str().is_none() {
            return Err(ControlError::Address(base.to_string()));
        }
        Ok(Self { base: base.clone() })
    }

    /// One call; a body that is null is not sent.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: http::Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ControlError> {
        let (status, bytes) = self.raw(method, path, body).await?;
        if (200..300).contains(&status) {
            let bytes = if bytes.is_empty() {
                &b"null"[..]
            } else {
                &bytes[..]
            };
            return Ok(serde_json::from_slice(bytes)?);
        }
        let body: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        Err(ControlError::Refused {
            status,
            code: text("code"),
            message: text("message"),
            body,
        })
    }

    async fn raw(
        &self,
        method: http::Method,
        path: &str,
        body: &impl Serialize,
    ) -> Result<(u16, Bytes), ControlError> {
        let host = self.base.host_str().unwrap_or_default();
        let address = format!("{host}:{}", self.base.port_or_known_default().unwrap_or(80));
        let stream =
            TcpStream::connect(&address)
                .await
                .map_err(|source| ControlError::Connect {
                    address: address.clone(),
                    source,
                })?;
        let _ = stream.set_nodelay(true);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let body = match serde_json::to_value(body)? {
            Value::Null => Vec::new(),
            value => serde_json::to_vec(&value)?,
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("host", &address)
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| ControlError::Address(path.to_owned()))?;
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let bytes = response.into_body().collect().await?.to_bytes();
        connection.abort();
        Ok((status, bytes))
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ControlError> {
        self.call(http::Method::GET, path, &Value::Null).await
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, ControlError> {
        self.call(http::Method::POST, path, body).await
    }

    /// Acts as `user`; each result carries the status and body that REST answered.
    pub async fn act(&self, user: &str, act: &str, body: &Act) -> Result<ActResults, ControlError> {
        self.post(&format!("/ctl/as/{user}/{act}"), body).await
    }

    /// Starts an interaction as `user` and waits for what it shows.
    pub async fn interact(&self, user: &str, body: &Interact) -> Result<Interacted, ControlError> {
        self.post(&format!("/ctl/as/{user}/interact"), body).await
    }

    /// Answers a consent page as `user`.
    pub async fn consent(&self, user: &str, body: &Consent) -> Result<Consented, ControlError> {
        self.post(&format!("/ctl/as/{user}/consent"), body).await
    }

    /// Any REST call as `user`: method, path below `/api/v10`, body.
    pub async fn rest(
        &self,
        user: &str,
        method: &str,
        path: &str,
        body: Value,
    ) -> Result<ActResult, ControlError> {
        let body = serde_json::json!({"method": method, "path": path, "body": body});
        let act = Act {
            body,
            ..Act::default()
        };
        let mut results = self.act(user, "request", &act).await?.results;
        Ok(results.pop().unwrap_or_default())
    }

    pub async fn clock(&self, change: &ClockChange) -> Result<ClockState, ControlError> {
        self.post("/ctl/clock", change).await
    }

    pub async fn now(&self) -> Result<ClockState, ControlError> {
        self.get("/ctl/clock").await
    }

    /// Waits until nothing is queued; [`ControlError::Refused`] with 504 and what is queued when
    /// that takes too long.
    pub async fn settle(&self, timeout_ms: u64) -> Result<Queued, ControlError> {
        self.post("/ctl/settle", &Settle { timeout_ms }).await
    }

    pub async fn add_fault(&self, rule: &Rule) -> Result<ActiveRule, ControlError> {
        self.post("/ctl/faults", rule).await
    }

    pub async fn remove_fault(&self, id: u64) -> Result<ActiveRule, ControlError> {
        self.call(
            http::Method::DELETE,
            &format!("/ctl/faults/{id}"),
            &Value::Null,
        )
        .await
    }

    pub async fn clear_faults(&self) -> Result<Value, ControlError> {
        self.call(http::Method::DELETE, "/ctl/faults", &Value::Null)
            .await
    }

    pub async fn faults(&self) -> Result<Vec<ActiveRule>, ControlError> {
        self.get("/ctl/faults").await
    }

    /// Entries after `since`, oldest first.
    pub async fn journal(&self, since: u64) -> Result<Vec<Entry>, ControlError> {
        self.get(&format!("/ctl/journal?since={since}")).await
    }

    pub async fn sessions(&self) -> Result<Vec<SessionInfo>, ControlError> {
        self.get("/ctl/sessions").await
    }

    pub async fn limits(&self) -> Result<Value, ControlError> {
        self.get("/ctl/limits").await
    }

    pub async fn start_drill(&self, order: &NewDrill) -> Result<DrillStarted, ControlError> {
        self.post("/ctl/drills", order).await
    }

    /// The last drills, newest first.
    pub async fn drills(&self) -> Result<Vec<DrillReport>, ControlError> {
        self.get("/ctl/drills").await
    }

    /// Waits for the end of a drill, at most `wait_ms` in real time, and shows how it stands.
    pub async fn drill(&self, id: u64, wait_ms: u64) -> Result<DrillReport, ControlError> {
        self.get(&format!("/ctl/drills/{id}?wait_ms={wait_ms}"))
            .await
    }

    /// Stops a drill; one that is finished is only shown.
    pub async fn stop_drill(&self, id: u64) -> Result<DrillReport, ControlError> {
        let path = format!("/ctl/drills/{id}");
        self.call(http::Method::DELETE, &path, &Value::Null).await
    }

    /// Exchanges that Discord's description forbids; always empty without `--strict-openapi`.
    pub async fn violations(&self) -> Result<Vec<Violation>, ControlError> {
        self.get("/ctl/violations").await
    }

    pub async fn world(&self) -> Result<Value, ControlError> {
        self.get("/ctl/world").await
    }

    /// Names, members' ids and roles; of a large world only the beginning.
    pub async fn summary(&self) -> Result<Value, ControlError> {
        self.get("/ctl/world?summary=true").await
    }

    /// Sets how the world behaves; what was set before and is left out takes its default.
    pub async fn set_conduct(&self, body: &Conduct) -> Result<Conduct, ControlError> {
        self.call(http::Method::PATCH, "/ctl/world", body).await
    }

    /// Lets something happen to a guild; the id of what was made, if something was.
    pub async fn happen(&self, guild: &str, what: &Happening) -> Result<Value, ControlError> {
        self.post(&format!("/ctl/guilds/{guild}/happen"), what)
            .await
    }

    pub async fn load_world(&self, body: &LoadWorld) -> Result<Value, ControlError> {
        self.post("/ctl/world", body).await
    }

    pub async fn reset(&self) -> Result<Value, ControlError> {
        self.post("/ctl/reset", &serde_json::json!({})).await
    }

    pub async fn create_app(&self, body: &NewApp) -> Result<App, ControlError> {
        self.post("/ctl/apps", body).await
    }

    /// Sets what the gateway grants an application, by its id.
    pub async fn edit_app(&self, app: &str, body: &EditApp) -> Result<Granted, ControlError> {
        self.post(&format!("/ctl/apps/{app}"), body).await
    }

    pub async fn apps(&self) -> Result<Vec<App>, ControlError> {
        self.get("/ctl/apps").await
    }

    pub async fn create_user(&self, body: &NewUser) -> Result<Value, ControlError> {
        self.post("/ctl/users", body).await
    }

    pub async fn create_guild(&self, body: &NewGuild) -> Result<Value, ControlError> {
        self.post("/ctl/guilds", body).await
    }

    /// Whether the sandbox serves.
    pub async fn ready(&self) -> bool {
        self.raw(http::Method::GET, "/readyz", &Value::Null)
            .await
            .is_ok_and(|(status, _)| status == 200)
    }
}
