//! Every call of the control API by its path, and what an unknown one may have meant.

use axum::extract::DefaultBodyLimit;
use axum::routing::{MethodRouter, delete, get, post};
use http::StatusCode;
use splashtail_core::text::nearest;

use super::{
    Control, Failure, acts, clock, consent, create, drills, faults, happen, interact, limits,
    lists, view, watch, worlds,
};

/// Largest body of an act: ten files of ten mebibytes travel in it as base64.
const MAX_ACT: usize = 144 << 20;

/// The table of calls.
pub(super) fn routes() -> Vec<(&'static str, MethodRouter<Control>)> {
    let act = post(acts::act).layer(DefaultBodyLimit::max(MAX_ACT));
    let faults = get(faults::faults)
        .post(faults::add_fault)
        .delete(faults::clear_faults);
    let world = get(worlds::show)
        .post(worlds::load)
        .patch(worlds::set_conduct);
    vec![
        ("/ctl/world", world),
        ("/ctl/reset", post(worlds::reset)),
        ("/ctl/overview", get(worlds::overview)),
        ("/ctl/apps", get(create::apps).post(create::create_app)),
        ("/ctl/apps/{app}", post(create::edit_app)),
        ("/ctl/users", get(lists::users).post(create::create_user)),
        ("/ctl/guilds", get(lists::guilds).post(create::create_guild)),
        ("/ctl/guilds/{guild}/members", get(lists::members)),
        ("/ctl/guilds/{guild}/happen", post(happen::happen)),
        ("/ctl/as/{user}/messages", get(view::messages)),
        ("/ctl/as/{user}/commands", get(view::commands)),
        ("/ctl/as/{user}/guild", get(view::guild)),
        ("/ctl/as/{user}/threads", get(view::threads)),
        ("/ctl/as/{user}/audit", get(view::audit)),
        ("/ctl/as/{user}/bans", get(view::bans)),
        ("/ctl/as/{user}/dms", get(view::dms)),
        ("/ctl/as/{user}/interact", post(interact::interact)),
        ("/ctl/as/{user}/consent", post(consent::consent)),
        ("/ctl/as/{user}/{act}", act),
        ("/ctl/clock", get(clock::clock).post(clock::set_clock)),
        ("/ctl/faults", faults),
        ("/ctl/faults/{id}", delete(faults::remove_fault)),
        ("/ctl/journal", get(watch::journal)),
        ("/ctl/sessions", get(watch::sessions)),
        ("/ctl/limits", get(limits::limits).post(limits::set_limits)),
        ("/ctl/violations", get(watch::violations)),
        ("/ctl/settle", post(watch::settle)),
        ("/ctl/drills", get(drills::list).post(drills::start)),
        ("/ctl/drills/{id}", get(drills::show).delete(drills::stop)),
    ]
}

/// What to say to a call of an unknown path.
pub(super) fn unknown(path: &str) -> Failure {
    let templates = routes().into_iter().map(|(template, _)| template);
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
    use super::*;

    #[test]
    fn an_unknown_call_is_told_the_nearest() {
        let near = |path| meant(path, routes().into_iter().map(|(t, _)| t));
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
        for (template, _) in routes() {
            let mut ends = ['`', '?'].iter();
            let named = ends.any(|end| text.contains(&format!("{template}{end}")));
            assert!(named, "{template} is not documented");
        }
    }
}
