//! A Discord of which a test sees what it is asked, and says when it answers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use axum::{Json, Router};
use chrono::DateTime;
use http::StatusCode;
use serde_json::json;
use splashtail_core::clock::ManualClock;
use splashtail_core::config::Config;
use splashtail_core::environment::Environment;
use splashtail_core::ids::{ApplicationId, GuildId, UserId};
use splashtail_discord::{Application, Discord};
use splashtail_jobs::{DataKey, JobError};
use splashtail_storage::{JoinGrant, Storage};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::grants::{Access, Consented, Grants};

pub const GUILD: GuildId = match GuildId::new(1) {
    Some(guild) => guild,
    None => panic!("an id"),
};
pub const USER: UserId = match UserId::new(7) {
    Some(user) => user,
    None => panic!("an id"),
};

/// Refresh tokens are `refresh-<how many came before>`, and each is good once.
pub struct Tokens {
    renewals: AtomicU32,
    arrived: Semaphore,
    answers: Semaphore,
    refuses: AtomicBool,
    revoked: Mutex<Vec<String>>,
}

impl Tokens {
    /// Waits until a renewal is asked for.
    pub async fn asked(&self) {
        self.arrived.acquire().await.unwrap().forget();
    }

    /// Lets one renewal be answered.
    pub fn answer(&self) {
        self.answers.add_permits(1);
    }

    pub fn renewals(&self) -> u32 {
        self.renewals.load(Ordering::SeqCst)
    }

    pub fn refuse_revocations(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    pub fn revoked(&self) -> Vec<String> {
        self.revoked.lock().unwrap().clone()
    }
}

fn field(body: &str, name: &str) -> String {
    let fields: HashMap<String, String> = url::form_urlencoded::parse(body.as_bytes())
        .into_owned()
        .collect();
    fields.get(name).cloned().unwrap_or_default()
}

async fn renew(State(tokens): State<Arc<Tokens>>, body: String) -> Response {
    let asked = tokens.renewals.fetch_add(1, Ordering::SeqCst);
    tokens.arrived.add_permits(1);
    tokens.answers.acquire().await.unwrap().forget();
    if field(&body, "refresh_token") != format!("refresh-{asked}") {
        let answer = Json(json!({"error": "invalid_grant"}));
        return (StatusCode::BAD_REQUEST, answer).into_response();
    }
    let next = asked + 1;
    Json(
        json!({"access_token": format!("access-{next}"), "expires_in": 604_800,
                "refresh_token": format!("refresh-{next}")}),
    )
    .into_response()
}

async fn revoke(State(tokens): State<Arc<Tokens>>, body: String) -> Response {
    if tokens.refuses.load(Ordering::SeqCst) {
        let answer = Json(json!({"error": "invalid_client"}));
        return (StatusCode::UNAUTHORIZED, answer).into_response();
    }
    tokens.revoked.lock().unwrap().push(field(&body, "token"));
    Json(json!({})).into_response()
}

pub struct Bench {
    pub grants: Grants,
    pub clock: ManualClock,
    pub discord: Arc<Tokens>,
    _dir: TempDir,
}

impl Bench {
    /// Where [`USER`] lets [`GUILD`] bring them back, with an access token that is good for so long.
    pub async fn with_grant(lasts: Duration) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let dir = TempDir::new().unwrap();
        let config = Config::embedded(dir.path(), Environment::Staging);
        let stop = CancellationToken::new();
        let storage = Storage::open(&config.database(), &stop).await.unwrap();
        storage.migrate().await.unwrap();
        let tokens = Arc::new(Tokens {
            renewals: AtomicU32::new(0),
            arrived: Semaphore::new(0),
            answers: Semaphore::new(0),
            refuses: AtomicBool::new(false),
            revoked: Mutex::default(),
        });
        let router = Router::new()
            .route("/api/v10/oauth2/token", post(renew))
            .route("/api/v10/oauth2/token/revoke", post(revoke))
            .with_state(Arc::clone(&tokens));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let api = format!("http://{}", listener.local_addr().unwrap());
        let api = api.parse().unwrap();
        tokio::spawn(async move { axum::serve(listener, router).await });
        let clock = ManualClock::new(DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let discord = Discord::new(&api, &api, &"token".to_owned().into(), clock.shared());
        let secret = "secret".to_owned().into();
        let grants = Grants {
            storage,
            discord: discord.unwrap(),
            key: DataKey::parse(&splashtail_core::random::key().unwrap().into()).unwrap(),
            application: Some(Application::new(ApplicationId::new(5).unwrap(), secret)),
            clock: clock.shared(),
        };
        let consented = Consented {
            guild: GUILD,
            user: USER,
            access_token: "access-0".to_owned().into(),
            refresh_token: "refresh-0".to_owned().into(),
            lasts,
        };
        assert!(grants.keep(&consented).await.unwrap());
        Self {
            grants,
            clock,
            discord: tokens,
            _dir: dir,
        }
    }

    pub async fn access(&self) -> Result<Access, JobError> {
        let going = CancellationToken::new();
        self.grants.access(GUILD, USER, None, &going).await
    }

    pub async fn join_grant(&self) -> JoinGrant {
        let store = self.grants.storage.join_consents();
        store.join_grant(GUILD, USER).await.unwrap().unwrap()
    }
}
