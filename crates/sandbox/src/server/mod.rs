//! Puts a sandbox on the wire: three listeners around one world.

pub(crate) mod http;
pub(crate) mod origin;
mod rest;
mod start;
pub(crate) mod struck;
mod tls;
pub(crate) mod wire;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use splashtail_sandbox_world::journal::Record;
use splashtail_sandbox_world::openapi::{Checker, Violation};
use splashtail_sandbox_world::seed::UnknownWorld;
use splashtail_sandbox_world::world::{Addresses, Conduct, Id};
use splashtail_sandbox_world::{Sandbox, journal};
use tokio::net::TcpListener;
use tokio::sync::{RwLock, RwLockReadGuard};
use tokio_util::sync::CancellationToken;

pub use start::{Running, ServeArgs, ServeError, run, start, start_on, worlds};
pub use tls::{Tls, TlsError};

use crate::control::{self, page::Page};
use crate::drill::Drills;
use crate::gateway::{Gateway, Settings};
use crate::oauth::Grants;

/// Violations kept; the first ones say the most.
const MAX_VIOLATIONS: usize = 10_000;

/// The sockets of a sandbox, already bound.
#[derive(Debug)]
pub struct Listeners {
    /// REST, CDN and OAuth2.
    pub rest: TcpListener,
    pub gateway: TcpListener,
    /// Control API and page.
    pub control: TcpListener,
    /// Where sessions are resumed, when that is another address than the gateway's.
    pub resume: Option<TcpListener>,
    /// Of all but the control API.
    pub tls: Option<Tls>,
}

impl Listeners {
    /// Takes over bound, non-blocking sockets.
    pub fn from_std(
        rest: std::net::TcpListener,
        gateway: std::net::TcpListener,
        control: std::net::TcpListener,
    ) -> std::io::Result<Self> {
        Ok(Self {
            rest: TcpListener::from_std(rest)?,
            gateway: TcpListener::from_std(gateway)?,
            control: TcpListener::from_std(control)?,
            resume: None,
            tls: None,
        })
    }

    /// What answers advertise: the addresses that are really bound.
    pub fn addresses(&self) -> std::io::Result<Addresses> {
        let secure = if self.tls.is_some() { "s" } else { "" };
        Ok(Addresses {
            rest: format!("http{secure}://{}", self.rest.local_addr()?),
            gateway: format!("ws{secure}://{}", self.gateway.local_addr()?),
        })
    }
}

/// What the listeners share beside the world.
pub struct Edge {
    pub sandbox: Arc<Sandbox>,
    pub gateway: Arc<Gateway>,
    pub(crate) grants: Grants,
    pub(crate) names: origin::Names,
    pub(crate) drills: Drills,
    /// Who the consent page takes its visitor for, unless another is chosen.
    visitor: Mutex<Option<Id>>,
    /// Taken for writing while a world is loaded: one after the other. See [`Edge::turn`].
    pub(crate) loading: RwLock<()>,
    violations: Arc<Mutex<VecDeque<Violation>>>,
    requests: AtomicUsize,
    /// Shared by the bodies of all requests in hand.
    room: http::Room,
}

impl Edge {
    /// An edge for `sandbox`; with `strict`, every exchange is held against Discord's description.
    pub fn new(
        sandbox: Arc<Sandbox>,
        settings: Settings,
        strict: bool,
    ) -> Result<Arc<Self>, ServeError> {
        let violations: Arc<Mutex<VecDeque<Violation>>> = Arc::default();
        if strict {
            let (found, journal) = (violations.clone(), sandbox.journal.clone());
            let clock = sandbox.clock.clone();
            let checker = Checker::start(Box::new(move |violation: Violation| {
                if violation.excused {
                    tracing::debug!(%violation, "a malformed request was refused");
                } else {
                    tracing::warn!(%violation, "an exchange violates the API description");
                    journal.record(clock.now_ms(), Record::Violation(violation.clone()));
                }
                let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
                if found.len() < MAX_VIOLATIONS {
                    found.push_back(violation);
                }
            }))?;
            if sandbox.checker.set(checker).is_err() {
                tracing::debug!("exchanges were being checked already");
            }
        }
        let gateway = Gateway::new(sandbox.clone(), settings);
        Ok(Arc::new(Self {
            names: sandbox.with_world(|world| origin::Names::of(&world.addresses)),
            sandbox,
            gateway,
            grants: Grants::default(),
            drills: Drills::default(),
            visitor: Mutex::default(),
            loading: RwLock::default(),
            violations,
            requests: AtomicUsize::new(0),
            room: http::Room::default(),
        }))
    }

    /// Waits for the worlds that were asked for before, and keeps the world while it is held: what a
    /// control call changes must not go down with a world that is about to be replaced.
    pub(crate) async fn turn(&self) -> RwLockReadGuard<'_, ()> {
        self.loading.read().await
    }

    fn visitor_slot(&self) -> MutexGuard<'_, Option<Id>> {
        self.visitor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn visitor(&self) -> Option<Id> {
        *self.visitor_slot()
    }

    pub(crate) fn set_visitor(&self, user: Id) {
        *self.visitor_slot() = Some(user);
    }

    /// Everything that was found wrong, oldest first, once all exchanges so far are judged.
    pub async fn violations(&self) -> Vec<Violation> {
        self.judged().await;
        self.found()
    }

    /// Waits until all exchanges so far are judged.
    pub(crate) async fn judged(&self) {
        let sandbox = self.sandbox.clone();
        let wait = move || sandbox.checker.get().map(Checker::wait);
        // The only way to fail is a runtime that ends, and then nobody reads the verdict.
        let _ = tokio::task::spawn_blocking(wait).await;
    }

    /// What was found wrong so far, oldest first.
    pub fn found(&self) -> Vec<Violation> {
        let found = self
            .violations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        found.iter().cloned().collect()
    }

    /// REST requests being answered.
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Acquire)
    }

    pub(crate) fn count_request(self: &Arc<Self>) -> RequestGuard {
        self.requests.fetch_add(1, Ordering::AcqRel);
        RequestGuard(self.clone())
    }

    /// Replaces the world: sessions end, limits, faults, tokens and the journal are forgotten.
    /// Violations stay: they tell of the sandbox and its clients, not of the world.
    ///
    /// # Errors
    /// There is no such world.
    pub fn load(
        &self,
        world: &str,
        seed: u64,
        conduct: Option<Conduct>,
    ) -> Result<Conduct, UnknownWorld> {
        self.sandbox.load(world, seed, conduct, || {
            self.gateway.reset();
            self.sandbox.faults.restart(seed);
            self.grants.clear();
            self.visitor_slot().take();
            self.sandbox.journal.clear();
        })
    }

    pub(crate) fn note(&self, record: journal::Record) {
        self.sandbox
            .journal
            .record(self.sandbox.clock.now_ms(), record);
    }
}

/// Counts a request while it lives.
pub(crate) struct RequestGuard(Arc<Edge>);

impl Drop for RequestGuard {
    fn drop(&mut self) {
        self.0.requests.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Edge {
    /// Serves all three listeners until `shutdown`.
    pub async fn serve(
        self: Arc<Self>,
        listeners: Listeners,
        page: Page,
        shutdown: CancellationToken,
    ) {
        let rest = {
            let (edge, shutdown) = (self.clone(), shutdown.clone());
            let tls = listeners.tls.clone();
            http::serve(
                listeners.rest,
                tls,
                shutdown.clone(),
                move |request, peer| rest::handle(edge.clone(), request, peer, shutdown.clone()),
            )
        };
        let control = {
            let router = control::router(self.clone(), page, shutdown.clone());
            http::serve(
                listeners.control,
                None,
                shutdown.clone(),
                move |request, _| http::route(router.clone(), request),
            )
        };
        let gateway = self.gateway.clone().serve(
            listeners.gateway,
            listeners.resume,
            listeners.tls,
            shutdown,
        );
        tokio::join!(rest, control, gateway);
    }
}
