use axum::Json;
use axum::extract::State;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::tasks::JobsSummary;

use crate::app::AppState;
use crate::error::ApiError;
use crate::render;

/// How many tasks are in each state.
///
/// Counts of the whole installation; at most one second old.
#[utoipa::path(get, path = "/jobs/summary", tag = "Tasks", operation_id = "get_jobs_summary",
    responses(
        (status = 200, description = "Counts per state", body = JobsSummary),
        (status = 500, description = "Our fault; the context names the request", body = ErrorBody),
        (status = 503, description = "The database is not available; see `Retry-After`", body = ErrorBody),
        (status = 504, description = "It took too long", body = ErrorBody),
    ))]
pub async fn get_summary(State(app): State<AppState>) -> Result<Json<JobsSummary>, ApiError> {
    let summary = app
        .summary
        .get(app.clock.monotonic(), async || {
            Ok::<_, ApiError>(render::summary(app.storage.tasks().summary().await?))
        })
        .await?;
    Ok(Json(summary))
}
