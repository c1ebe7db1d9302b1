use http::StatusCode;
use splashtail_api_types::ErrorBody;
use splashtail_api_types::tasks::{TaskCreateResponse, TaskFor, TaskInfo};
use splashtail_core::ids::UserId;
use splashtail_permissions::NativePermissions;
use splashtail_storage::{Creation, NewTask, Priority};
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use super::*;
use crate::app;
use crate::configuration::{Asked, Way};
use crate::framework::gate::Standing;
use crate::modules::antinuke::tests::{World, view};
use crate::modules::antinuke::{Done, IncidentAct, NotDone};
use crate::modules::foundation;

const INCIDENT: u64 = 9;
const HASH: &str = "ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789";

fn guild() -> GuildId {
    GuildId::new(10).unwrap()
}

fn order() -> Order {
    Order {
        incident: Id::new(INCIDENT),
        parts: Parts::of(["bans"].into_iter()),
        look: false,
        approved: Some(HASH.to_owned()),
        undo: None,
    }
}

#[test]
fn a_key_fits_whatever_is_ordered_and_tells_orders_apart() {
    let before = Some(TaskId::random());
    let longest = Order {
        incident: Id::new(u64::MAX),
        parts: Parts::ALL,
        undo: Some(TaskId::random()),
        ..order()
    };
    assert!(longest.key(before).len() <= 64, "{}", longest.key(before));
    let by_button = Order {
        approved: Some(HASH[..16].to_ascii_lowercase()),
        ..order()
    };
    assert_eq!(by_button.key(before), order().key(before), "one plan");
    let look = Order {
        look: true,
        approved: None,
        ..order()
    };
    let all = Order {
        parts: Parts::ALL,
        ..order()
    };
    for other in [look, all] {
        assert_ne!(other.key(before), order().key(before), "{other:?}");
    }
    assert_ne!(order().key(before), order().key(None));
}

/// A job as the jobserver has it that nobody runs yet.
async fn job(world: &World, incident: u64, fields: Value) -> TaskId {
    let mut all = json!({"ServerID": guild(), "Incident": Id::new(incident)});
    for (key, value) in fields.as_object().unwrap() {
        all[key] = value.clone();
    }
    let task = NewTask {
        id: TaskId::random(),
        name: TASK.to_owned(),
        owner: Owner::Server(guild()),
        fields: all,
        encrypted: false,
        wrapped_secret: None,
        slot: None,
        idempotency: None,
        execute: true,
        priority: Priority::Interactive,
        run_after: None,
        deadline: None,
        expires_at: None,
        created_at: world.clock.shared().now(),
    };
    let created = world.storage.tasks().create(&task).await.unwrap();
    assert!(matches!(created, Creation::Created(_)), "{created:?}");
    task.id
}

/// What the owner of the server gets when they ask for it through the web API.
async fn act(
    world: &World,
    verb: &str,
    parts: &[&str],
    plan_hash: Option<&str>,
) -> Result<Done, NotDone> {
    let protection = world.start();
    let app = app::for_tests(&foundation::for_tests().await, &[]).await;
    let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
    let asked = Asked {
        guild: guild(),
        user: UserId::new(1).unwrap(),
        standing: Standing {
            is_owner: true,
            native: NativePermissions(0),
            roles: Vec::new(),
            positions: Vec::new(),
        },
        custom: None,
        way: Way::Api,
        command: None,
    };
    let act = IncidentAct {
        verb,
        incident: INCIDENT,
        parts: &parts,
        plan_hash,
        job: None,
    };
    protection.act(&app, &asked, &view(), act).await
}

async fn jobserver(answer: ResponseTemplate) -> MockServer {
    let server = MockServer::start().await;
    Mock::given(path("/ipc/create_task"))
        .respond_with(answer)
        .mount(&server)
        .await;
    server
}

#[tokio::test]
async fn a_plan_is_approved_by_its_whole_hash_and_the_answer_names_the_job() {
    let world = World::new().await;
    // What the jobserver makes; it belongs to another incident, so that nothing seems to go on here.
    let task = job(&world, INCIDENT + 1, json!({})).await;
    let made = TaskCreateResponse {
        task_id: task,
        task_info: TaskInfo {
            name: TASK.to_owned(),
            task_for: TaskFor::server(guild()),
            task_fields: json!({}),
            expiry: 0,
            valid: true,
            resumable: true,
            encrypted: false,
        },
    };
    let made = json!({"tcr": made});
    let jobserver = jobserver(ResponseTemplate::new(200).set_body_json(made)).await;
    let world = world.ordering_at(&jobserver.uri());
    let done = act(&world, "approve", &["bans"], Some(HASH)).await.unwrap();
    assert_eq!(done.job, Some(task));
    let asked = jobserver.received_requests().await.unwrap();
    let asked: Value = serde_json::from_slice(&asked[0].body).unwrap();
    let args = &asked["args"];
    assert_eq!(args["data"]["PlanHash"], HASH);
    assert_eq!(args["data"]["Parts"], json!(["bans"]));
    let key = args["idempotency_key"].as_str().unwrap();
    assert!(key.len() <= 64, "{key}");
}

#[tokio::test]
async fn what_the_jobserver_refuses_is_refused_with_its_code() {
    for (status, code) in [(409_u16, "slot_taken"), (400, "invalid_option")] {
        let body = ErrorBody::new(code, "not now");
        let answer = ResponseTemplate::new(status).set_body_json(body);
        let jobserver = jobserver(answer).await;
        let world = World::new().await.ordering_at(&jobserver.uri());
        match act(&world, "approve", &["bans"], Some(HASH)).await {
            Err(NotDone::NotOrdered {
                status: told,
                code: why,
                ..
            }) => assert_eq!((told.as_u16(), why.as_str()), (status, code)),
            other => panic!("{other:?}"),
        }
    }
    // Nobody is there.
    let world = World::new().await.ordering_at("http://127.0.0.1:9");
    match act(&world, "back", &[], None).await {
        Err(NotDone::NotOrdered { status, .. }) => {
            assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn an_order_is_not_taken_for_another_one_that_goes_on() {
    let world = World::new().await;
    let fields = json!({"Parts": ["bans"], "DryRun": true});
    let plans = job(&world, INCIDENT, fields).await;
    // Pressed again.
    let done = act(&world, "parts", &["bans"], None).await.unwrap();
    assert_eq!(done.job, Some(plans));
    for (verb, hash) in [("approve", Some(HASH)), ("back", None)] {
        match act(&world, verb, &["bans"], hash).await {
            Err(NotDone::NotOrdered { status, code, .. }) => {
                assert_eq!((status.as_u16(), code.as_str()), (409, "slot_taken"));
            }
            other => panic!("{verb}: {other:?}"),
        }
    }
}
