//! The operations, by subject.

mod app_emojis;
mod apps;
mod audit;
mod automod;
mod bans;
mod channels;
mod commands;
mod components;
mod compose;
mod emojis;
mod event_exceptions;
mod files;
mod followers;
mod gateway;
mod guilds;
mod images;
mod interactions;
mod invites;
mod join_requests;
mod joining;
mod left_out;
mod lengths;
mod members;
mod messages;
mod onboarding;
mod overwrites;
mod pins;
mod polls;
mod reactions;
mod roles;
mod scheduled_events;
mod search;
mod soundboard;
mod stages;
mod templates;
mod threads;
mod users;
mod webhooks;
mod welcome_screen;
mod widget;

pub(super) use bans::MAX_BULK as MAX_BULK_BAN;
pub use left_out::LEFT_OUT;

use http::Method;

use super::cx::{Cx, Reply};
use super::error::ApiError;
use super::limits::{Bucket, Major};
use super::routes::{Auth, Route};

type Run = fn(&mut Cx<'_>) -> Result<Reply, ApiError>;

/// The table under construction.
struct Table(Vec<Route>);

impl Table {
    /// Adds a route for bots and people. Its limit is 50 a second, counted by the first
    /// placeholder, under its own name.
    fn add(
        &mut self,
        method: Method,
        template: &'static str,
        operation: &'static str,
        run: Run,
    ) -> &mut Self {
        let major = match template.split('/').nth(1) {
            Some("channels") => Major::Channel,
            Some("guilds") => Major::Guild,
            Some("webhooks") => Major::Webhook,
            _ => Major::None,
        };
        let bucket = Bucket {
            name: operation,
            limit: 50,
            per_ms: 1000,
            major,
        };
        self.0.push(Route {
            method,
            template,
            operation,
            auth: Auth::Bot,
            bucket,
            run,
        });
        self
    }

    fn get(&mut self, template: &'static str, operation: &'static str, run: Run) -> &mut Self {
        self.add(Method::GET, template, operation, run)
    }

    fn post(&mut self, template: &'static str, operation: &'static str, run: Run) -> &mut Self {
        self.add(Method::POST, template, operation, run)
    }

    fn put(&mut self, template: &'static str, operation: &'static str, run: Run) -> &mut Self {
        self.add(Method::PUT, template, operation, run)
    }

    fn patch(&mut self, template: &'static str, operation: &'static str, run: Run) -> &mut Self {
        self.add(Method::PATCH, template, operation, run)
    }

    fn delete(&mut self, template: &'static str, operation: &'static str, run: Run) -> &mut Self {
        self.add(Method::DELETE, template, operation, run)
    }

    /// The last route asks for something else of its caller.
    fn auth(&mut self, auth: Auth) -> &mut Self {
        if let Some(route) = self.0.last_mut() {
            route.auth = auth;
        }
        self
    }

    /// The last route has another limit, shared by all routes that name the bucket.
    fn limit(&mut self, name: &'static str, limit: u32, per_ms: i64) -> &mut Self {
        if let Some(route) = self.0.last_mut() {
            route.bucket = Bucket {
                name,
                limit,
                per_ms,
                ..route.bucket
            };
        }
        self
    }
}

/// Every route.
pub(super) fn table() -> Vec<Route> {
    let mut table = Table(Vec::new());
    for add in [
        app_emojis::routes,
        apps::routes,
        audit::routes,
        automod::routes,
        bans::routes,
        channels::routes,
        commands::routes,
        emojis::routes,
        event_exceptions::routes,
        followers::routes,
        gateway::routes,
        guilds::routes,
        interactions::routes,
        invites::routes,
        join_requests::routes,
        joining::routes,
        members::routes,
        messages::routes,
        onboarding::routes,
        welcome_screen::routes,
        widget::routes,
        overwrites::routes,
        pins::routes,
        polls::routes,
        reactions::routes,
        roles::routes,
        scheduled_events::routes,
        search::routes,
        soundboard::routes,
        stages::routes,
        templates::routes,
        threads::routes,
        users::routes,
        webhooks::routes,
    ] {
        add(&mut table);
    }
    table.0
}
