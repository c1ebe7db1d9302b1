//! Logs on stderr: readable text, or one JSON object a line with `LOG_FORMAT=json`.

use std::error::Error;
use std::fmt;
use std::io::IsTerminal;

use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{self, FormatEvent, FormatFields, Writer};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;

/// Our own modules from info upwards, libraries only when something failed.
const DEFAULT_FILTER: &str = "error,splashtail=info";

/// Starts logging for this process. `RUST_LOG` chooses what is logged; `DEBUG=true` shows debug
/// lines. A second call changes nothing.
pub fn init(process_name: &str) {
    let (filter, complaint) = filter(|name| std::env::var(name).ok());
    let json = std::env::var("LOG_FORMAT").is_ok_and(|format| format.eq_ignore_ascii_case("json"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    // A subscriber that is already there (another test of the same process) stays.
    let _ = if json {
        let event_format = NamedJson {
            process: serde_json::Value::from(process_name).to_string(),
            inner: format::format()
                .json()
                .flatten_event(true)
                .with_current_span(false),
        };
        builder
            .json()
            .event_format(event_format)
            .finish()
            .try_init()
    } else {
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        builder.with_ansi(colours).finish().try_init()
    };
    if let Some(complaint) = complaint {
        tracing::warn!("{complaint}");
    }
}

fn filter(variable: impl Fn(&str) -> Option<String>) -> (EnvFilter, Option<String>) {
    let debug = variable("DEBUG").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    let default = if debug { "debug" } else { DEFAULT_FILTER };
    match variable("RUST_LOG").filter(|value| !value.trim().is_empty()) {
        None => (EnvFilter::new(default), None),
        Some(directives) => match EnvFilter::builder().parse(&directives) {
            Ok(filter) => (filter, None),
            Err(error) => (
                EnvFilter::new(default),
                Some(format!("RUST_LOG is ignored: {}", Chain(&error))),
            ),
        },
    }
}

/// tracing's JSON lines, each with the name of the process in front.
struct NamedJson {
    process: String,
    inner: format::Format<format::Json>,
}

impl<S, N> FormatEvent<S, N> for NamedJson
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = String::new();
        self.inner
            .format_event(context, Writer::new(&mut line), event)?;
        match line.strip_prefix('{') {
            Some(rest) => write!(writer, "{{\"process\":{},{rest}", self.process),
            None => writer.write_str(&line),
        }
    }
}

/// Shows an error with all its causes: `outer: middle: inner`.
///
/// Log errors through this, because tracing's JSON format drops sources.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
