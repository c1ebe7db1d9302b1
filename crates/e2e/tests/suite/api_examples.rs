//! The examples of docs/api.md, as they stand there.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use splashtail_e2e::backups::{GUILD, OWNER};
use splashtail_e2e::platform::{Engines, Platform};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const LIMIT: Duration = Duration::from_secs(180);
/// Language of the example, what runs it from its input, and what it says in the end.
const EXAMPLES: [(&str, &[&str], &str); 3] = [
    (
        "bash",
        &["bash", "-euo", "pipefail", "-s"],
        "event: end\ndata: {\"state\":\"completed\"}",
    ),
    ("python", &["python3", "-"], "completed"),
    (
        "javascript",
        &["node", "--input-type=module", "-"],
        "completed",
    ),
];

/// The one example in this language.
fn example(docs: &str, language: &str) -> String {
    let (_, examples) = docs.split_once("\n## Examples\n").unwrap();
    let fence = format!("```{language}\n");
    let mut found = examples.split(&fence).skip(1);
    let example = found.next().unwrap().split("\n```").next().unwrap();
    assert!(found.next().is_none(), "two examples in {language}");
    example.to_owned()
}

#[tokio::test]
#[ignore = "needs Node 20 and Python 3; `make test` provides them"]
async fn the_examples_of_the_docs_work() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/api.md");
    let docs = std::fs::read_to_string(docs).unwrap();
    let platform = Platform::start(TempDir::new().unwrap(), Engines::Embedded, &[])
        .await
        .unwrap();
    let token = platform.token("--user", OWNER).unwrap();
    let api = platform.ready.api.as_ref().unwrap().as_str();
    for (language, command, expected) in EXAMPLES {
        let mut child = Command::new(command[0])
            .args(&command[1..])
            .env("API", api.trim_end_matches('/'))
            .env("TOKEN", &token)
            .env("GUILD", GUILD)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let program = example(&docs, language);
        input.write_all(program.as_bytes()).await.unwrap();
        drop(input);
        let ended = tokio::time::timeout(LIMIT, child.wait_with_output()).await;
        let ended = ended.expect(language).unwrap();
        let said = String::from_utf8_lossy(&ended.stdout);
        assert!(
            ended.status.success() && said.trim() == expected,
            "{language}: {said}\n{}",
            String::from_utf8_lossy(&ended.stderr)
        );
    }
    platform.stop().await.unwrap();
}
