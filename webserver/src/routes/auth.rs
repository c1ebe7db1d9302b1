use axum::Json;
use axum::extract::State;
use splashtail_api_types::auth::{AuthContext, AuthData, AuthTest};
use splashtail_api_types::{Code, ErrorBody};

use crate::app::AppState;
use crate::auth::Caller;
use crate::error::ApiError;
use crate::extract::JsonBody;

/// Is this token good for that user or server?
#[utoipa::path(post, path = "/auth/test", tag = "Auth", operation_id = "test_auth", request_body = AuthTest,
    responses(
        (status = 200, description = "It is", body = AuthContext),
        (status = 400, description = "A field is missing or wrong", body = ErrorBody),
        (status = 401, description = "It is not", body = ErrorBody),
    ))]
pub async fn test_auth(
    State(app): State<AppState>,
    JsonBody(test): JsonBody<AuthTest>,
) -> Result<Json<AuthContext>, ApiError> {
    if test.target_id.is_empty() {
        return Err(ApiError::Invalid {
            code: Code::InvalidBody,
            message: "`target_id` is required".to_owned(),
            context: Some(("target_id", "is empty [required]".to_owned())),
        });
    }
    let caller = Caller::look_up(&app, Some(test.auth_type), &test.token)
        .await?
        .filter(|caller| caller.id() == test.target_id)
        .ok_or(ApiError::Unauthorized(
            "this token is not valid for this target",
        ))?;
    Ok(Json(AuthContext {
        target_type: caller.target(),
        id: caller.id(),
        authorized: true,
        banned: caller.banned,
        data: AuthData {
            session_id: Some(caller.token.to_string()),
            perm_limits: caller.limits().unwrap_or_default().to_vec(),
        },
    }))
}
