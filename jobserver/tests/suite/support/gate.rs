//! What stands between a jobserver and Discord: every request passes, and at a chosen one the jobserver
//! has to die, before Discord hears it, before its answer comes back, or right afterwards.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tokio::sync::watch;
use url::Url;

/// Where a request is cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Discord never hears of it.
    Before,
    /// Discord did it, and nobody learns that.
    After,
    /// The answer came, and so much later the jobserver is gone: among its own records.
    Answered(Duration),
}

/// What is to be struck.
#[derive(Debug, Clone, Copy)]
struct Aim {
    /// Requests that pass before.
    left: usize,
    /// Only those that may change something count.
    changes: bool,
    cut: Cut,
}

struct Shared {
    target: Url,
    client: reqwest::Client,
    aim: Mutex<Option<Aim>>,
    /// How often each change came, where each is struck on both sides.
    seen: Mutex<Option<HashMap<String, usize>>>,
    struck: watch::Sender<usize>,
}

pub struct Gate {
    pub url: Url,
    shared: Arc<Shared>,
}

impl Gate {
    /// On its own thread and runtime, so that killing a jobserver's runtime spares it.
    pub fn before(target: &Url) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = Url::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let shared = Arc::new(Shared {
            target: target.clone(),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            aim: Mutex::default(),
            seen: Mutex::default(),
            struck: watch::Sender::new(0),
        });
        let router = Router::new().fallback(pass).with_state(shared.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { url, shared }
    }

    /// Strikes after so many requests, or so many of those that may change something.
    pub fn aim(&self, left: usize, changes: bool, cut: Cut) {
        *self.shared.aim.lock().unwrap() = Some(Aim { left, changes, cut });
    }

    /// Strikes at everything that may change something, whenever it comes for the first time and for the
    /// second: before and after.
    pub fn aim_everywhere(&self) {
        *self.shared.seen.lock().unwrap() = Some(HashMap::new());
    }

    /// Nothing is struck any more.
    pub fn rest(&self) {
        *self.shared.seen.lock().unwrap() = None;
        *self.shared.aim.lock().unwrap() = None;
    }

    /// Told of each time that it struck.
    pub fn struck(&self) -> watch::Receiver<usize> {
        let mut struck = self.shared.struck.subscribe();
        struck.mark_unchanged();
        struck
    }
}

impl Shared {
    /// What befalls a request.
    fn draw(&self, changes: bool) -> Option<Cut> {
        let mut slot = self.aim.lock().unwrap();
        let aim = slot.as_mut()?;
        if aim.changes && !changes {
            return None;
        }
        match aim.left.checked_sub(1) {
            Some(left) => {
                aim.left = left;
                None
            }
            None => slot.take().map(|aim| aim.cut),
        }
    }

    /// The same where each change is struck.
    fn draw_of_all(&self, change: String) -> Option<Cut> {
        let mut slot = self.seen.lock().unwrap();
        let times = slot.as_mut()?.entry(change).or_default();
        *times += 1;
        match *times {
            1 => Some(Cut::Before),
            2 => Some(Cut::After),
            _ => None,
        }
    }

    fn strike(&self) {
        self.struck.send_modify(|times| *times += 1);
    }
}

async fn pass(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let path = parts.uri.path_and_query().unwrap().as_str();
    let changes = !parts.method.is_safe();
    let mut cut = shared.draw(changes);
    if changes && cut.is_none() {
        let body = String::from_utf8_lossy(&body);
        cut = shared.draw_of_all(format!("{} {path} {body}", parts.method));
    }
    if cut == Some(Cut::Before) {
        shared.strike();
        return std::future::pending().await;
    }
    let mut headers = parts.headers;
    for own in ["host", "content-length", "transfer-encoding", "connection"] {
        headers.remove(own);
    }
    // Whoever asked may be gone meanwhile: Discord does it all the same.
    let sent = shared
        .client
        .request(parts.method, shared.target.join(path).unwrap())
        .headers(headers)
        .body(body);
    let answer = tokio::spawn(async move {
        let answer = sent.send().await?;
        let (status, headers) = (answer.status(), answer.headers().clone());
        Ok::<_, reqwest::Error>((status, headers, answer.bytes().await?))
    });
    let answer = match answer.await.unwrap() {
        Ok((status, mut headers, bytes)) => {
            headers.remove("transfer-encoding");
            headers.remove("connection");
            let status = StatusCode::from_u16(status.as_u16()).unwrap();
            let mut answer: Response = (status, bytes).into_response();
            *answer.headers_mut() = headers;
            answer
        }
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    };
    match cut {
        Some(Cut::After) => {
            shared.strike();
            std::future::pending().await
        }
        Some(Cut::Answered(later)) => {
            tokio::spawn(async move {
                tokio::time::sleep(later).await;
                shared.strike();
            });
            answer
        }
        Some(Cut::Before) | None => answer,
    }
}
