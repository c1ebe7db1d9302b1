//! What the bot's modules need of a server and of the application, and why, as a running cluster
//! says it.

use serde_json::{Map, Value, json};
use splashtail_core::clock::SystemClock;
use splashtail_core::config::Config;
use splashtail_core::ids::ClusterId;
use splashtail_core::telemetry::Chain;
use splashtail_ipc::clients::IserverClient;
use splashtail_ipc::signing::{Signer, tag};

use crate::commands::finding::Finding;
use crate::supervisor::report::Ready;

const CLIENT: &str = "cli";

/// A line for each module that needs something. Nothing where no platform runs.
pub(super) async fn needs(config: &Config, platform: Option<&Ready>) -> Vec<Finding> {
    let clusters = platform.into_iter().flat_map(|ready| ready.iserver.keys());
    let Some(first) = clusters.min() else {
        return Vec::new();
    };
    match ask(config, ClusterId(*first)).await {
        Ok(modules) => modules.iter().filter_map(finding).collect(),
        Err(why) => vec![Finding::note(
            "modules",
            format!("what they need is not known: {why}"),
        )],
    }
}

async fn ask(config: &Config, cluster: ClusterId) -> Result<Map<String, Value>, String> {
    let secret = config.client_secret(CLIENT);
    let secret = secret.ok_or("`meta.jobserver_secrets` has no secret for `cli`")?;
    let clock = SystemClock::shared();
    let signer = Signer::new(CLIENT, secret.clone(), tag::iserver(cluster), clock);
    let meta = &config.meta;
    let client = IserverClient::new(meta.bot_bind_addr, meta.bot_iserver_base_port, &signer);
    let client = client.map_err(|error| Chain(&error).to_string())?;
    let modules = client.query(cluster, &json!("Modules")).await;
    modules.map_err(|error| Chain(&error).to_string())
}

fn finding((id, module): (&String, &Value)) -> Option<Finding> {
    let needs = module["needs"].as_array()?.iter();
    let needs: Vec<String> = needs.filter_map(describe).collect();
    let name = format!("module {id}");
    (!needs.is_empty()).then(|| Finding::ok(name, format!("needs {}", needs.join("; "))))
}

/// `Kick Members (To remove somebody …)`
fn describe(need: &Value) -> Option<String> {
    let what = need["name"].as_str()?;
    let why = need["why"].as_str()?;
    Some(format!("{what} ({why})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_needs_something_is_a_line() {
        let module = json!({"id": "antinuke", "needs": [
            {"permission": "128", "name": "View Audit Log", "why": "To see who did what"},
            {"intents": "32768", "name": "Message Content", "why": "To read commands"}]});
        let found = finding((&"antinuke".to_owned(), &module)).unwrap();
        assert_eq!(found.name, "module antinuke");
        assert_eq!(
            found.detail,
            "needs View Audit Log (To see who did what); Message Content (To read commands)"
        );
        let nothing = json!({"id": "root", "needs": []});
        assert_eq!(finding((&"root".to_owned(), &nothing)), None);
    }
}
