//! The public API: every route is in the OpenAPI document, and every operation of the document is
//! a route.

pub mod approvals;
pub mod auth;
pub mod backups;
pub mod browser;
pub mod checks;
pub mod clusters;
pub mod configurations;
pub mod consents;
pub mod docs;
pub mod download;
pub mod events;
pub mod gitlogs;
pub mod guild_jobs;
pub mod guilds;
pub mod health;
pub mod incidents;
pub mod integrations;
pub mod ioauth;
pub mod login;
pub mod members;
pub mod mewld;
pub mod output;
pub mod overview;
pub mod people;
pub mod renewed_ids;
pub mod sessions;
pub mod summary;
pub mod tasks;
pub mod timeline;
pub mod transfer;
pub mod uploads;
pub mod users;
pub mod webhooks;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use http::Method;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Document;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter, UtoipaMethodRouterExt};
use utoipa_axum::routes;

use crate::app::AppState;
use crate::error::ApiError;
use crate::openapi::{self, ApiDocument};
use crate::operators;
use crate::rate_limit::{
    self, APPROVALS, AUTH_TEST, BACKUP_LOOKS, BASE_INFO, CANCEL_JOB, CONSENTS, CREATE_TASK,
    DOWNLOAD, EVENTS, GITLOGS, GUILD_JOBS, HEALTH, HISTORY, INCIDENT_ACTS, INCIDENTS, IOAUTH,
    LOGIN, MEMBERS, PERMISSIONS, PLATFORM, PLATFORM_CLEAR, Policy, SESSIONS, SETTINGS_CHANGE,
    SETTINGS_VIEW, STAFF_TEAM, TRANSFER, UPLOADS, WEBHOOKS,
};
use crate::site::{Site, prefers_html};

/// Adds a rate limit to a route; without an application, as for the document alone, it adds none.
type Limit<'a> = &'a dyn Fn(UtoipaMethodRouter<AppState>, Policy) -> UtoipaMethodRouter<AppState>;

fn api(limit: Limit<'_>) -> (Router<AppState>, Document) {
    let limit = |(schemas, mut paths, route): UtoipaMethodRouter<AppState>, policy| {
        openapi::declare_limit(&mut paths);
        limit((schemas, paths, route), policy)
    };
    let (router, mut document) = OpenApiRouter::with_openapi(ApiDocument::openapi())
        .routes(routes!(clusters::get_health))
        .routes(routes!(clusters::get_shard))
        .routes(routes!(clusters::list_modules))
        .routes(routes!(clusters::get_bot_stats))
        .routes(routes!(clusters::get_bot_state))
        .routes(routes!(mewld::ping))
        .routes(routes!(mewld::list_instances))
        .routes(routes!(mewld::list_action_logs))
        .routes(routes!(mewld::get_cluster_health))
        .routes(routes!(mewld::get_proxy))
        .routes(routes!(mewld::publish))
        .routes(routes!(summary::get_summary))
        .routes(routes!(tasks::list_tasks))
        .routes(routes!(tasks::get_task))
        .routes(limit(routes!(tasks::create_task), CREATE_TASK))
        .routes(routes!(tasks::cancel_task))
        .routes(routes!(renewed_ids::list_renewed_ids))
        .routes(limit(
            routes!(renewed_ids::list_guild_renewed_ids),
            GUILD_JOBS,
        ))
        .routes(limit(routes!(guild_jobs::list_guild_jobs), GUILD_JOBS))
        .routes(limit(routes!(guild_jobs::get_guild_job), GUILD_JOBS))
        .routes(limit(routes!(guild_jobs::delete_guild_job), CANCEL_JOB))
        .routes(limit(routes!(guild_jobs::list_guild_schedules), GUILD_JOBS))
        .routes(limit(
            routes!(
                guild_jobs::put_guild_schedule,
                guild_jobs::remove_guild_schedule
            ),
            CANCEL_JOB,
        ))
        .routes(limit(routes!(uploads::upload_backup), UPLOADS))
        .routes(limit(routes!(guild_jobs::cancel_guild_job), CANCEL_JOB))
        .routes(limit(routes!(guild_jobs::follow_guild_job), GUILD_JOBS))
        .routes(limit(routes!(guild_jobs::get_guild_job_output), DOWNLOAD))
        .routes(limit(routes!(guild_jobs::create_guild_job), CREATE_TASK))
        .routes(limit(routes!(guild_jobs::plan_guild_job), CREATE_TASK))
        .routes(limit(routes!(backups::inspect_backup), BACKUP_LOOKS))
        .routes(limit(routes!(backups::compare_backups), BACKUP_LOOKS))
        .routes(routes!(tasks::follow_task))
        .routes(limit(routes!(download::get_download_link), DOWNLOAD))
        .routes(limit(routes!(download::get_job_download_link), DOWNLOAD))
        .routes(routes!(output::get_output))
        .routes(limit(routes!(ioauth::login), IOAUTH))
        .routes(limit(routes!(auth::test_auth), AUTH_TEST))
        .routes(routes!(login::get_config))
        .routes(limit(routes!(login::log_in), LOGIN))
        .routes(limit(
            routes!(sessions::list_sessions, sessions::create_session),
            SESSIONS,
        ))
        .routes(limit(
            routes!(sessions::extend_session, sessions::revoke_session),
            SESSIONS,
        ))
        .routes(routes!(users::get_me))
        .routes(limit(routes!(people::get_user), PLATFORM))
        .routes(limit(routes!(people::get_platform_user), PLATFORM))
        .routes(limit(routes!(people::forget_platform_user), PLATFORM_CLEAR))
        .routes(limit(routes!(people::get_staff_team), STAFF_TEAM))
        .routes(limit(routes!(members::list_members), MEMBERS))
        .routes(routes!(users::list_my_guilds))
        .routes(limit(routes!(users::get_my_guild), BASE_INFO))
        .routes(limit(routes!(consents::list_my_consents), CONSENTS))
        .routes(limit(
            routes!(
                consents::get_my_consent,
                consents::begin_my_consent,
                consents::remove_my_consent
            ),
            CONSENTS,
        ))
        .routes(routes!(guilds::list_all_modules))
        .routes(limit(routes!(guilds::check_permissions), PERMISSIONS))
        .routes(routes!(guilds::execute_setting))
        .routes(limit(
            routes!(configurations::list_module_configurations),
            SETTINGS_VIEW,
        ))
        .routes(limit(
            routes!(configurations::change_module_configuration),
            SETTINGS_CHANGE,
        ))
        .routes(limit(
            routes!(configurations::list_command_configurations),
            SETTINGS_VIEW,
        ))
        .routes(limit(
            routes!(configurations::change_command_configuration),
            SETTINGS_CHANGE,
        ))
        .routes(limit(routes!(guilds::list_setting_changes), HISTORY))
        .routes(limit(routes!(guilds::roll_back_setting), SETTINGS_CHANGE))
        .routes(limit(routes!(transfer::export_settings), TRANSFER))
        .routes(limit(routes!(transfer::import_settings), TRANSFER))
        .routes(limit(routes!(checks::preview_checks), PERMISSIONS))
        .routes(limit(routes!(health::get_guild_health), HEALTH))
        .routes(limit(routes!(health::preview_panic), HEALTH))
        .routes(limit(routes!(overview::get_guild_overview), HEALTH))
        .routes(routes!(health::get_reaction_times))
        .routes(limit(routes!(timeline::get_incident_timeline), INCIDENTS))
        .routes(limit(routes!(incidents::list_incidents), INCIDENTS))
        .routes(limit(routes!(incidents::get_incident), INCIDENTS))
        .routes(limit(routes!(incidents::act_on_incident), INCIDENT_ACTS))
        .routes(limit(routes!(events::follow_guild), EVENTS))
        .routes(limit(routes!(approvals::list_approvals), APPROVALS))
        .routes(limit(routes!(approvals::answer_approval), INCIDENT_ACTS))
        .routes(limit(
            routes!(webhooks::list_webhooks, webhooks::create_webhook),
            WEBHOOKS,
        ))
        .routes(limit(
            routes!(webhooks::change_webhook, webhooks::remove_webhook),
            WEBHOOKS,
        ))
        .routes(limit(routes!(webhooks::test_webhook), WEBHOOKS))
        .routes(limit(routes!(webhooks::list_webhook_messages), WEBHOOKS))
        .routes(limit(routes!(webhooks::replay_webhook_message), WEBHOOKS))
        .routes(limit(
            routes!(gitlogs::list_git_hooks, gitlogs::create_git_hook),
            WEBHOOKS,
        ))
        .routes(limit(routes!(gitlogs::remove_git_hook), WEBHOOKS))
        .routes(limit(routes!(gitlogs::add_git_repo), WEBHOOKS))
        .routes(limit(routes!(gitlogs::remove_git_repo), WEBHOOKS))
        .routes(limit(routes!(gitlogs::add_git_rule), WEBHOOKS))
        .routes(limit(routes!(gitlogs::remove_git_rule), WEBHOOKS))
        .routes(limit(routes!(gitlogs::list_git_deliveries), WEBHOOKS))
        .routes(limit(
            routes!(integrations::get_git_hook, integrations::hear_git_event),
            GITLOGS,
        ))
        .routes(limit(routes!(integrations::get_git_delivery), WEBHOOKS))
        .routes(routes!(integrations::list_git_events))
        .routes(routes!(integrations::list_git_events_in_a_line))
        .routes(routes!(browser::sign_in))
        .routes(routes!(browser::sign_out))
        .routes(routes!(browser::get_session))
        .routes(routes!(docs::get_openapi))
        .routes(routes!(docs::redirect_to_docs))
        .routes(routes!(docs::get_docs))
        .split_for_parts();
    openapi::complete(&mut document);
    (router, document)
}

/// What the API looks like, with no address of an installation in it.
pub fn document() -> Document {
    api(&|route, _| route).1
}

/// Every route, and the website at all other addresses.
pub fn router(app: &AppState) -> Router<()> {
    let (router, _) = api(&|route, policy| {
        route.layer(from_fn_with_state((app.clone(), policy), rate_limit::limit))
    });
    router.fallback(site).with_state(app.clone())
}

/// A file of the website; else 404, for people as a page.
async fn site(State(app): State<AppState>, request: Request) -> Response {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return ApiError::UnknownPath.into_response();
    }
    let (path, headers) = (request.uri().path(), request.headers());
    if operators::contains(path) {
        operators::opened(&app, request.extensions().get(), headers).await;
    }
    if path == operators::ROOT {
        return operators::redirect();
    }
    if let Some(page) = app.site.page(path, headers) {
        return page;
    }
    if path == "/" && !app.site.is_built() {
        return Site::instructions();
    }
    let page = prefers_html(headers)
        .then(|| app.site.not_found(headers))
        .flatten();
    page.unwrap_or_else(|| ApiError::UnknownPath.into_response())
}
