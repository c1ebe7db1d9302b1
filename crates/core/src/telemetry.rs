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
        let event_format = NamedJson::new(process_name);
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

impl NamedJson {
    fn new(process_name: &str) -> Self {
        Self {
            process: serde_json::Value::from(process_name).to_string(),
            inner: format::format()
                .json()
                .flatten_event(true)
                .with_current_span(false),
        }
    }
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

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::MakeWriter;

    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the task was not stored")]
    struct Outer(#[source] Inner);

    #[derive(Debug, thiserror::Error)]
    #[error("the database failed")]
    struct Inner(#[source] io::Error);

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl MakeWriter<'_> for Buffer {
        type Writer = Self;

        fn make_writer(&self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_chain_keeps_every_cause() {
        let error = Outer(Inner(io::Error::other("disk full")));
        assert_eq!(
            Chain(&error).to_string(),
            "the task was not stored: the database failed: disk full"
        );
    }

    #[test]
    fn json_lines_name_the_process() {
        let buffer = Buffer::default();
        let subscriber = tracing_subscriber::fmt()
            .with_writer(buffer.clone())
            .json()
            .event_format(NamedJson::new("bot \"1\""))
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(guild.id = 7, "joined");
        });
        let line = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["process"], "bot \"1\"");
        assert_eq!(line["message"], "joined");
        assert_eq!(line["guild.id"], 7);
    }

    #[test]
    fn variables_choose_the_filter() {
        let with = |pairs: &[(&str, &str)]| {
            let (filter, complaint) = filter(|name| {
                let found = pairs.iter().find(|(variable, _)| *variable == name);
                found.map(|(_, value)| (*value).to_owned())
            });
            (filter.to_string(), complaint.is_some())
        };
        assert_eq!(with(&[]), ("splashtail=info,error".to_owned(), false));
        assert_eq!(with(&[("DEBUG", "TRUE")]), ("debug".to_owned(), false));
        assert_eq!(with(&[("DEBUG", "1")]).0, "splashtail=info,error");
        assert_eq!(
            with(&[("RUST_LOG", "warn"), ("DEBUG", "true")]),
            ("warn".to_owned(), false)
        );
        assert_eq!(
            with(&[("RUST_LOG", "a=b=c")]),
            ("splashtail=info,error".to_owned(), true)
        );
    }
}
