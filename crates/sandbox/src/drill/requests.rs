//! Requests of attackers, through the dispatcher like everyone's, and struck by the same faults.

use std::cell::{Cell, RefCell};

use http::{HeaderValue, Method, header};
use serde_json::Value;
use splashtail_sandbox_world::Sandbox;
use splashtail_sandbox_world::rest::{Actor, Request, Response};
use splashtail_sandbox_world::world::Id;

use super::tally::{Outcome, Refusal};
use super::types::Damage;
use crate::server::struck::Struck;

/// What stopped an act that could not go on because a fault kept an answer back.
const NO_ANSWER: &str = "no answer";
/// How the attackers explain themselves to the audit log.
const REASON: &str = "drill";
/// Milliseconds after which a client of theirs gives up on an answer, as the common ones do.
const PATIENCE_MS: u64 = 15_000;
const AGENT: HeaderValue = HeaderValue::from_static("DiscordBot (https://drill.example, 1)");

/// Who a request comes from.
pub(super) enum Hand<'a> {
    Person(Id),
    Token(&'a str),
    /// A webhook's address is all one needs.
    Nobody,
}

pub(super) struct Call<'a> {
    pub sandbox: &'a Sandbox,
    pub hand: Hand<'a>,
    /// What befalls the first request, drawn before it was sent on its way.
    drawn: RefCell<Option<Struck>>,
    /// A slow first request is on its way, and has had no effect yet.
    sent: RefCell<Option<Struck>>,
    first: Cell<bool>,
    /// Milliseconds that its requests took since: whoever waits for an answer does nothing else.
    pub took_ms: Cell<u64>,
    /// A fault kept the last answer back: what it would have said is for the books, and the sender
    /// must not act on it.
    pub unheard: Cell<bool>,
    /// A fault refused a request.
    pub struck: Cell<bool>,
    /// What a request did that is not what the act is for.
    pub beside: Cell<Option<Damage>>,
}

impl<'a> Call<'a> {
    /// With what befalls its first request, when that has arrived after a while.
    pub fn new(sandbox: &'a Sandbox, hand: Hand<'a>, drawn: Option<Struck>) -> Self {
        Self {
            sandbox,
            hand,
            drawn: RefCell::new(drawn),
            sent: RefCell::default(),
            first: Cell::new(true),
            took_ms: Cell::default(),
            unheard: Cell::default(),
            struck: Cell::default(),
            beside: Cell::default(),
        }
    }

    /// The answer to a request that had its effect, whether or not the sender gets to hear it.
    ///
    /// # Errors
    /// It was refused, or an answer before it was kept back.
    pub fn send(
        &self,
        method: Method,
        path: String,
        query: &str,
        body: Value,
    ) -> Result<Value, Outcome> {
        self.heard()?;
        let mut request = Request::act(method, path, &body);
        request.query = query.to_owned();
        let actor = match self.hand {
            Hand::Person(user) => Actor::User(user),
            Hand::Token(_) | Hand::Nobody => Actor::Http,
        };
        if actor == Actor::Http {
            request.headers.insert(header::USER_AGENT, AGENT);
        }
        if let Hand::Token(token) = self.hand
            && let Ok(value) = format!("Bot {token}").parse()
        {
            request.headers.insert(header::AUTHORIZATION, value);
        }
        if !matches!(self.hand, Hand::Nobody) {
            request = request.with_reason(REASON);
        }
        let struck = self.strike(&request)?;
        let answer = match struck.refusal {
            Some(refusal) => refusal.answer(self.sandbox, &request.method, &request.path),
            None => self.sandbox.dispatch(actor, request),
        };
        if answer.is_success() {
            return Ok(answer.json());
        }
        Err(refusal(&answer))
    }

    /// For what is clicked, and is no request of the API.
    ///
    /// # Errors
    /// A fault answers instead.
    pub fn knock(&self, request: &Request) -> Result<(), Outcome> {
        match self.strike(request)?.refusal {
            Some(told) => {
                let answer = told.answer(self.sandbox, &request.method, &request.path);
                Err(refusal(&answer))
            }
            None => Ok(()),
        }
    }

    /// # Errors
    /// An answer was kept back, so there is nothing to go on with.
    pub fn heard(&self) -> Result<(), Outcome> {
        if self.unheard.get() {
            return Err(Refusal::of(NO_ANSWER).into());
        }
        Ok(())
    }

    /// What is to be done again when its first request arrives, if that is slow.
    pub fn on_its_way(&self) -> Option<Struck> {
        self.sent.borrow_mut().take()
    }

    /// # Errors
    /// It is the first, and takes a while to arrive. What a later one of the same act takes is only
    /// waited for.
    fn strike(&self, request: &Request) -> Result<Struck, Outcome> {
        let first = self.first.replace(false);
        let struck = match self.drawn.borrow_mut().take() {
            Some(drawn) => drawn,
            None => {
                let struck = Struck::draw_of(self.sandbox, self.caller(), request);
                if first && struck.late_ms > 0 {
                    *self.sent.borrow_mut() = Some(struck);
                    return Err(Refusal::of(NO_ANSWER).into());
                }
                let took = self.took_ms.get().saturating_add(struck.late_ms);
                self.took_ms.set(took);
                struck
            }
        };
        if struck.hangs() {
            let took = self.took_ms.get().saturating_add(PATIENCE_MS);
            self.took_ms.set(took);
        }
        self.unheard.set(struck.keeps_back());
        self.struck
            .set(self.struck.get() || struck.refusal.is_some());
        Ok(struck)
    }

    /// Whom rules of faults take the sender for.
    fn caller(&self) -> Option<Id> {
        match self.hand {
            Hand::Person(user) => Some(user),
            Hand::Token(token) => self
                .sandbox
                .with_world(|world| world.app_by_token(token).map(|app| app.id)),
            Hand::Nobody => None,
        }
    }

    pub fn post(&self, path: String, body: Value) -> Result<Value, Outcome> {
        self.send(Method::POST, path, "", body)
    }

    pub fn put(&self, path: String, body: Value) -> Result<Value, Outcome> {
        self.send(Method::PUT, path, "", body)
    }

    pub fn patch(&self, path: String, body: Value) -> Result<Value, Outcome> {
        self.send(Method::PATCH, path, "", body)
    }

    pub fn delete(&self, path: String) -> Result<Value, Outcome> {
        self.send(Method::DELETE, path, "", Value::Null)
    }
}

fn refusal(answer: &Response) -> Outcome {
    let code = code(answer);
    let passing = code == "429" || answer.status >= 500;
    let wait_ms = wait_ms(answer);
    Outcome::Refused(Refusal {
        code,
        wait_ms,
        passing,
    })
}

/// The JSON error code, or the status where there is none.
fn code(answer: &Response) -> String {
    match answer.code {
        Some(code) if code != 0 => code.to_string(),
        _ => answer.status.to_string(),
    }
}

/// The body is exact; the header, which rounds up, counts where there is no other or it says more.
fn wait_ms(answer: &Response) -> Option<i64> {
    let exact = answer.json()["retry_after"].as_f64();
    let mut headers = answer.headers.iter();
    let header = headers.find(|(name, _)| name.eq_ignore_ascii_case("retry-after"));
    let header = header.and_then(|(_, value)| value.parse::<f64>().ok());
    let seconds = match (exact, header) {
        (Some(exact), Some(header)) if header <= exact.ceil() => exact,
        (exact, header) => header.or(exact)?,
    };
    Some((seconds * 1000.0).ceil() as i64)
}

/// The `id` of an answer.
pub(super) fn id(body: &Value) -> Option<Id> {
    body["id"].as_str()?.parse().ok()
}
