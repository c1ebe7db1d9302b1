use axum::Json;
use axum::extract::State;
use splashtail_api_types::tasks::JobsSummary;
use splashtail_jobs::render;

use crate::app::AppState;
use crate::error::ApiError;

/// How many tasks are in each state.
///
/// Counts of the whole installation; at most one second old.
#[utoipa::path(get, path = "/jobs/summary", tag = "Tasks", operation_id = "get_jobs_summary",
    responses(
        (status = 200, description = "Counts per state", body = JobsSummary),
    ))]
pub async fn get_summary(State(app): State<AppState>) -> Result<Json<JobsSummary>, ApiError> {
    let counts = async { Ok(render::summary(app.storage.tasks().summary().await?)) };
    Ok(Json(app.summary.get(counts).await?))
}
