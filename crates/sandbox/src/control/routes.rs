//! Every call of the control API by its path, and what an unknown one may have meant.

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::routing::{self, MethodRouter};
use http::{Method, StatusCode};
use splashtail_core::text::nearest;

use super::{
    Control, Failure, acts, clock, consent, create, drills, faults, happen, interact, limits,
    lists, view, watch, worlds,
};

/// Largest body of an act: ten files of ten mebibytes travel in it as base64.
const MAX_ACT: usize = 144 << 20;

/// A call of the control API.
pub(super) struct Call {
    pub method: Method,
    pub path: &'static str,
    pub handler: MethodRouter<Control>,
}

fn get<H: Handler<T, Control>, T: 'static>(path: &'static str, handler: H) -> Call {
    Call {
        method: Method::GET,
        path,
        handler: routing::get(handler),
    }
}

fn post<H: Handler<T, Control>, T: 'static>(path: &'static str, handler: H) -> Call {
    Call {
        method: Method::POST,
        path,
        handler: routing::post(handler),
    }
}

fn patch<H: Handler<T, Control>, T: 'static>(path: &'static str, handler: H) -> Call {
    Call {
        method: Method::PATCH,
        path,
        handler: routing::patch(handler),
    }
}

fn delete<H: Handler<T, Control>, T: 'static>(path: &'static str, handler: H) -> Call {
    Call {
        method: Method::DELETE,
        path,
        handler: routing::delete(handler),
    }
}

impl Call {
    fn taking(mut self, bytes: usize) -> Self {
        self.handler = self.handler.layer(DefaultBodyLimit::max(bytes));
        self
    }
}

/// The table of calls.
pub(super) fn routes() -> Vec<Call> {
    vec![
        get("/ctl/world", worlds::show),
        post("/ctl/world", worlds::load),
        patch("/ctl/world", worlds::set_conduct),
        post("/ctl/reset", worlds::reset),
        get("/ctl/overview", worlds::overview),
        get("/ctl/apps", create::apps),
        post("/ctl/apps", create::create_app),
        post("/ctl/apps/{app}", create::edit_app),
        get("/ctl/users", lists::users),
        post("/ctl/users", create::create_user),
        get("/ctl/guilds", lists::guilds),
        post("/ctl/guilds", create::create_guild),
        get("/ctl/guilds/{guild}/members", lists::members),
        post("/ctl/guilds/{guild}/happen", happen::happen),
        get("/ctl/as/{user}/messages", view::messages),
        get("/ctl/as/{user}/commands", view::commands),
        get("/ctl/as/{user}/guild", view::guild),
        get("/ctl/as/{user}/threads", view::threads),
        get("/ctl/as/{user}/audit", view::audit),
        get("/ctl/as/{user}/bans", view::bans),
        get("/ctl/as/{user}/dms", view::dms),
        post("/ctl/as/{user}/interact", interact::interact),
        post("/ctl/as/{user}/consent", consent::consent),
        post("/ctl/as/{user}/{act}", acts::act).taking(MAX_ACT),
        get("/ctl/clock", clock::clock),
        post("/ctl/clock", clock::set_clock),
        get("/ctl/faults", faults::faults),
        post("/ctl/faults", faults::add_fault),
        delete("/ctl/faults", faults::clear_faults),
        delete("/ctl/faults/{id}", faults::remove_fault),
        get("/ctl/journal", watch::journal),
        get("/ctl/sessions", watch::sessions),
        get("/ctl/limits", limits::limits),
        post("/ctl/limits", limits::set_limits),
        get("/ctl/violations", watch::violations),
        post("/ctl/settle", watch::settle),
        get("/ctl/drills", drills::list),
        post("/ctl/drills", drills::start),
        get("/ctl/drills/{id}", drills::show),
        delete("/ctl/drills/{id}", drills::stop),
    ]
}

/// Every call there is, by method and path.
pub fn calls() -> Vec<(Method, &'static str)> {
    let all = routes().into_iter();
    all.map(|call| (call.method, call.path)).collect()
}

/// What to say to a call of an unknown path.
pub(super) fn unknown(path: &str) -> Failure {
    let templates = calls().into_iter().map(|(_, template)| template);
    let message = match meant(path, templates) {
        Some(near) => format!("there is no call `{path}`; did you mean `{near}`?"),
        None => format!("there is no call `{path}`; docs/sandbox.md lists them"),
    };
    Failure::new(StatusCode::NOT_FOUND, "not_found", message)
}

/// The template that is most like a path, placeholders being like anything.
pub(crate) fn meant<'t>(
    path: &str,
    templates: impl IntoIterator<Item = &'t str>,
) -> Option<&'t str> {
    let given: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    let filled: Vec<(String, &str)> = templates
        .into_iter()
        .map(|template| {
            let parts = template.split('/').enumerate().map(|(n, part)| {
                let any = part.starts_with('{');
                given.get(n).copied().filter(|_| any).unwrap_or(part)
            });
            (parts.collect::<Vec<_>>().join("/"), template)
        })
        .collect();
    let near = nearest(path, filled.iter().map(|(text, _)| text.as_str()))?;
    let found = filled.iter().find(|(text, _)| text == near);
    found.map(|(_, template)| *template)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use serde_json::{Value, json};
    use splashtail_sandbox_world::seed::small;
    use tower::ServiceExt;

    use super::super::page::Page;
    use super::super::router;
    use super::super::worlds::tests::control;
    use super::*;

    #[test]
    fn an_unknown_call_is_told_the_nearest() {
        let near = |path| meant(path, calls().into_iter().map(|(_, t)| t));
        assert_eq!(near("/ctl/journl"), Some("/ctl/journal"));
        assert_eq!(
            near("/ctl/guild/11/members"),
            Some("/ctl/guilds/{guild}/members")
        );
        assert_eq!(near("/x"), None);
    }

    #[test]
    fn the_documentation_names_every_call() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/sandbox.md");
        let text = std::fs::read_to_string(path).unwrap();
        for (_, template) in calls() {
            let mut ends = ['`', '?'].iter();
            let named = ends.any(|end| text.contains(&format!("{template}{end}")));
            assert!(named, "{template} is not documented");
        }
    }

    /// Calls that change nothing of a world, or what its end ends anyway.
    const AT_ANY_TIME: [(Method, &str); 2] = [
        (Method::POST, "/ctl/settle"),
        (Method::DELETE, "/ctl/drills/{id}"),
    ];

    /// A body with which a call is good in `small`.
    fn body(path: &str) -> Value {
        match path {
            "/ctl/apps/{app}" => json!({"shards": 2}),
            "/ctl/guilds" => json!({"name": "Attic", "owner_id": small::OWNER}),
            "/ctl/guilds/{guild}/happen" => json!({"what": "raid_detected"}),
            "/ctl/as/{user}/interact" => json!({"kind": "slash", "channel_id": "1", "name": "x"}),
            "/ctl/as/{user}/consent" => json!({"authorize_url": ""}),
            "/ctl/as/{user}/{act}" => json!({"guild_id": small::GUILDS[0]}),
            "/ctl/faults" => json!({"action": {"type": "hang"}}),
            "/ctl/drills" => json!({"kind": "raid", "guild_id": small::GUILDS[0]}),
            _ => json!({}),
        }
    }

    #[tokio::test]
    async fn nothing_is_changed_in_a_world_that_is_about_to_go() {
        let control = control();
        let page = Page::default();
        let router = router(control.edge.clone(), page, control.shutdown.clone());
        let app = small::APPLICATION.to_string();
        let filled = |path: &str| {
            path.replace("{app}", &app)
                .replace("{guild}", &small::GUILDS[0].to_string())
                .replace("{user}", &small::OWNER.to_string())
                .replace("{act}", "leave")
                .replace("{id}", "1")
        };
        let loading = control.edge.loading.write().await;
        for (method, path) in calls().into_iter().filter(|(m, _)| m != Method::GET) {
            let request = http::Request::builder()
                .method(&method)
                .uri(filled(path))
                .header("host", "127.0.0.1")
                .header("content-type", "application/json")
                .body(axum::body::Body::from(body(path).to_string()))
                .unwrap();
            let mut answer = std::pin::pin!(router.clone().oneshot(request));
            if AT_ANY_TIME.contains(&(method.clone(), path)) {
                let patience = std::time::Duration::from_secs(60);
                let answer = tokio::time::timeout(patience, answer).await;
                assert!(answer.is_ok(), "{method} {path} waits");
                continue;
            }
            let answer = answer.as_mut().now_or_never();
            let status = answer.map(|answer| answer.unwrap().status());
            assert_eq!(status, None, "{method} {path} does not wait");
        }
        drop(loading);
    }
}
