//! The bot, played for one server.

use serde_json::{Value, json};
use splashtail_core::config::Config;
use wiremock::matchers::{any, method, path};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use super::{GUILD, TestServer, USER};

/// A cluster of a bot that is in all servers, where [`USER`] is an administrator of [`GUILD`] alone.
pub async fn cluster() -> MockServer {
    let iserver = MockServer::start().await;
    let answer = |request: &Request| {
        let query: Value = serde_json::from_slice(&request.body).unwrap();
        let (tag, fields) = query.as_object().unwrap().iter().next().unwrap();
        let (home, me) = (GUILD.to_string(), USER.to_string());
        let at_home = fields["guild_id"] == home.as_str() && fields["user_id"] == me.as_str();
        let limited = !fields["custom_resolved_kittycat_perms"].is_null();
        let denied = json!({"var": "MissingAnyPerms", "check": {"kittycat_perms": ["a.b"],
            "native_perms": ["8"], "outer_and": false, "inner_and": false}});
        let ok = ResponseTemplate::new(200);
        match tag.as_str() {
            "GuildsStatus" => {
                let guilds = fields["guilds"].as_array().unwrap().iter();
                let status = guilds.map(|id| (id.as_str().unwrap().to_owned(), json!("present")));
                ok.set_body_json(Value::Object(status.collect()))
            }
            "CheckCommandPermission" if at_home && !limited => ok.set_body_json(
                json!({"is_ok": true, "permissions": "8", "perm_res": {"var": "Ok"}}),
            ),
            "CheckCommandPermission" => {
                let permissions = at_home.then_some("8");
                ok.set_body_json(
                    json!({"is_ok": false, "permissions": permissions, "perm_res": denied}),
                )
            }
            "CheckCommandPermissions" => {
                let permissions = at_home.then_some("8");
                let result = json!({"is_ok": at_home && !limited, "perm_res": {"var": "Ok"}});
                let commands = fields["commands"].as_array().unwrap().iter();
                let commands =
                    commands.map(|name| (name.as_str().unwrap().to_owned(), result.clone()));
                let commands = Value::Object(commands.collect());
                ok.set_body_json(json!({"permissions": permissions, "commands": commands}))
            }
            "BaseGuildUserInfo" => ResponseTemplate::new(404)
                .set_body_json(json!({"code": "unknown_member", "message": "not there"})),
            _ => ok.set_body_json(json!({"PermissionError": {"res": denied}})),
        }
    };
    Mock::given(any())
        .respond_with(answer)
        .mount(&iserver)
        .await;
    iserver
}

/// A webserver that asks this cluster, and limits nobody.
pub async fn start(iserver: &MockServer) -> TestServer {
    start_with(iserver, |_| {}).await
}

/// With something else in its configuration.
pub async fn start_with(iserver: &MockServer, adjust: impl FnOnce(&mut Config)) -> TestServer {
    let port = iserver.address().port();
    let test = TestServer::start_with(|config, _| {
        adjust(config);
        config.meta.bot_iserver_base_port = port;
        config.meta.web_disable_ratelimits = true;
        let key = splashtail_core::random::key().unwrap();
        config.meta.data_key = Some(key.into());
    })
    .await;
    fleet_of_one(&test.clusterer).await;
    test
}

/// A clusterer whose one cluster is up.
pub async fn fleet_of_one(clusterer: &MockServer) {
    let list = json!({
        "LastClusterStartedAt": "2026-01-01T00:00:00Z", "Dir": "", "RollRestarting": false,
        "FullyUp": true, "ShardCount": 1,
        "Map": [{"ID": 0, "Name": "Flare", "Shards": [0]}],
        "GetGatewayBot": {"url": "", "shards": 1,
            "session_start_limit": {"total": 0, "remaining": 0, "reset_after": 0, "max_concurrency": 1}},
        "Instances": [{"StartedAt": "2026-01-01T00:00:00Z", "SessionID": "s", "ClusterID": 0,
            "Shards": [0], "Active": true, "ClusterHealth": [], "CurrentlyKilling": false,
            "LockClusterTime": null, "LaunchedFully": true, "LastChecked": "2026-01-01T00:00:00Z"}],
    });
    Mock::given(method("GET"))
        .and(path("/instance-list"))
        .respond_with(ResponseTemplate::new(200).set_body_json(list))
        .mount(clusterer)
        .await;
}
