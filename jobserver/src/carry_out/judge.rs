//! What a failed effect means for the job.

use splashtail_discord::DiscordError;
use splashtail_discord::ensure::EnsureError;
use splashtail_jobs::JobError;

use crate::backup::error::{Verdict, judge_discord};

const TOKEN: &str = "discord_token";
const GUILD: &str = "unknown_guild";
/// Discord's code of a server that is not there, or that the bot is not in.
const UNKNOWN_GUILD: u64 = 10_004;

/// Whether nothing else can succeed either.
pub fn stops_everything(code: &str) -> bool {
    [
        TOKEN,
        GUILD,
        "internal",
        "journal_unreadable",
        "journal_too_large",
        "duplicate_step",
    ]
    .contains(&code)
}

pub fn job_error(error: EnsureError) -> JobError {
    let message = error.to_string();
    match error {
        EnsureError::Discord(error) => discord(error, message),
        EnsureError::Unresolved { settled: false, .. } => {
            JobError::ambiguous("unresolved", message)
        }
        EnsureError::Unresolved { settled: true, .. } => {
            let message = format!("{message}; please look whether it is there");
            JobError::permanent("unresolved", message)
        }
        EnsureError::Hidden(_) => JobError::permanent("hidden", message),
        EnsureError::Incomplete(_) => JobError::permanent("incomplete", message),
    }
}

fn discord(error: DiscordError, message: String) -> JobError {
    let verdict = judge_discord(&error);
    match (&error, verdict) {
        (_, Verdict::Stopped) => JobError::Cancelled,
        (DiscordError::Ambiguous { cause, .. }, _) => {
            // People want to know what is waited for.
            let message = format!("{message}: {cause}");
            JobError::ambiguous("discord", message).caused_by(error)
        }
        (_, Verdict::Passing(Some(wait))) => {
            JobError::transient("rate_limited", message).retry_after(wait)
        }
        (_, Verdict::Passing(None)) => JobError::transient("discord", message).caused_by(error),
        (DiscordError::Api(api), _) => match (api.status.as_u16(), api.code) {
            (401, _) => JobError::permanent(TOKEN, message),
            (_, UNKNOWN_GUILD) => JobError::permanent(GUILD, message),
            (status, 0) => JobError::permanent(format!("discord_{status}"), message),
            (_, code) => {
                let fields = api.errors.as_ref().map(|errors| format!(": {errors}"));
                let message = format!("{message}{}", fields.unwrap_or_default());
                JobError::permanent(format!("discord_{code}"), cut(&message))
            }
        },
        _ => JobError::permanent("request", message).caused_by(error),
    }
}

fn cut(message: &str) -> String {
    const CHARACTERS: usize = 500;
    message.chars().take(CHARACTERS).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::StatusCode;
    use splashtail_discord::{ApiError, RateLimitScope};

    use super::*;

    fn api(status: u16, code: u64) -> JobError {
        let error = DiscordError::Api(Box::new(ApiError {
            status: StatusCode::from_u16(status).unwrap(),
            code,
            message: "no".into(),
            errors: None,
            route: "POST /guilds/{id}/roles".into(),
        }));
        job_error(error.into())
    }

    #[test]
    fn one_refusal_is_no_reason_to_stop() {
        for (status, code, expected) in [
            (400, 30_005, "discord_30005"),
            (403, 50_013, "discord_50013"),
            (403, 40_006, "discord_40006"),
            (404, 10_003, "discord_10003"),
        ] {
            let error = api(status, code);
            assert!(matches!(error, JobError::Permanent { .. }), "{error:?}");
            assert_eq!(error.code(), expected);
            assert!(!stops_everything(error.code()));
        }
        assert!(stops_everything(api(401, 0).code()));
        assert!(stops_everything(api(404, 10_004).code()));
    }

    #[test]
    fn what_passes_is_waited_for() {
        for status in [403, 404, 408, 425, 503] {
            assert!(
                matches!(api(status, 0), JobError::Transient { .. }),
                "{status}"
            );
        }
        let wait = Duration::from_secs(172_800);
        let limited = DiscordError::RateLimited {
            route: "POST /guilds/{id}/roles".into(),
            retry_after: wait,
            scope: RateLimitScope::User,
        };
        let JobError::Transient { retry_after, .. } = job_error(limited.into()) else {
            panic!("a limit is no refusal");
        };
        assert_eq!(retry_after, Some(wait));
    }
}
