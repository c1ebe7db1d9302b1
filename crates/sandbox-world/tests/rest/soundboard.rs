//! Soundboard sounds, after "Soundboard" of the documentation.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use serde_json::{Value, json};
use splashtail_sandbox_world::seed::small;
use splashtail_sandbox_world::world::intent;
use splashtail_sandbox_world::world::permissions as perm;

use crate::harness::{Case, GUILD, code};

const SOUNDS: &str = "/guilds/1100000000001179648/soundboard-sounds";

fn recording(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", STANDARD.encode(bytes))
}

fn horn() -> Value {
    json!({"name": "Horn", "sound": recording("audio/ogg", b"OggS toot"), "emoji_name": "📯"})
}

#[test]
fn sounds_are_made_changed_and_deleted() {
    let case = Case::unlimited();
    case.events();
    let made = case.bot(Method::POST, SOUNDS, horn());
    assert_eq!(made.status, 201, "{}", made.json());
    let sound = made.json();
    assert_eq!(
        (&sound["name"], &sound["volume"], &sound["emoji_name"]),
        (&json!("Horn"), &json!(1.0), &json!("📯"))
    );
    assert_eq!(sound["user"]["id"], json!(small::APPLICATION));
    let told = case.events_for(small::APPLICATION, intent::GUILD_EXPRESSIONS);
    assert_eq!(told, [("GUILD_SOUNDBOARD_SOUND_CREATE", sound.clone())]);
    let path = format!("{SOUNDS}/{}", sound["sound_id"].as_str().unwrap());
    let quiet = json!({"name": "Foghorn", "volume": 0.25, "emoji_name": null});
    let changed = case.bot(Method::PATCH, &path, quiet).json();
    assert_eq!(
        (&changed["name"], &changed["volume"], &changed["emoji_name"]),
        (&json!("Foghorn"), &json!(0.25), &Value::Null)
    );
    assert_eq!(case.get(&path).json(), changed);
    assert_eq!(case.get(SOUNDS).json()["items"], json!([changed]));
    case.events();
    assert_eq!(case.bot(Method::DELETE, &path, Value::Null).status, 204);
    let gone = json!({"guild_id": GUILD, "sound_id": sound["sound_id"]});
    let told = case.events_for(small::APPLICATION, intent::GUILD_EXPRESSIONS);
    assert_eq!(told, [("GUILD_SOUNDBOARD_SOUND_DELETE", gone)]);
    assert_eq!(code(&case.get(&path)), 10097);
    let actions: Vec<Value> = case
        .audit()
        .iter()
        .filter(|e| e["target_id"] == sound["sound_id"])
        .map(|e| e["action_type"].clone())
        .collect();
    assert_eq!(actions, [130, 131, 132]);
    assert_eq!(case.get("/soundboard-default-sounds").status, 200);
    case.finish();
}

// Name 2–32, volume 0–1, "max file size of 512kb", mp3 or ogg; code 30045 "Maximum number of
// soundboard sounds reached".
#[test]
fn sounds_have_bounds() {
    let case = Case::unlimited();
    let mut large = b"OggS".to_vec();
    large.resize(512 * 1024, 0);
    let fits = recording("audio/ogg", &large);
    large.push(0);
    for (key, value) in [
        ("name", json!("x")),
        ("name", json!("x".repeat(33))),
        ("volume", json!(1.01)),
        ("volume", json!(-0.01)),
        ("sound", json!(recording("audio/ogg", &large))),
        ("sound", json!(recording("audio/ogg", b"RIFF, not a sound"))),
        ("sound", json!("no address")),
        ("sound", Value::Null),
    ] {
        let mut body = horn();
        body[key] = value;
        let refused = case.user(small::OWNER, Method::POST, SOUNDS, body).json();
        assert!(refused["errors"][key].is_object(), "{key}: {refused}");
    }
    case.sandbox
        .with_world(|w| w.guilds.get_mut(&GUILD).unwrap().premium_tier = 0);
    let mp3 = recording("audio/mpeg", b"ID3 toot");
    for sound in [fits, mp3] {
        let body = json!({"name": "Sound", "sound": sound});
        assert_eq!(case.bot(Method::POST, SOUNDS, body).status, 201);
    }
    for _ in 2..8 {
        assert_eq!(case.bot(Method::POST, SOUNDS, horn()).status, 201);
    }
    assert_eq!(code(&case.bot(Method::POST, SOUNDS, horn())), 30045);
    case.finish();
}

// Create: CREATE_GUILD_EXPRESSIONS; change: MANAGE_GUILD_EXPRESSIONS, or either for one's own.
// "Includes user fields if the bot has" one of the two.
#[test]
fn sounds_need_their_permissions() {
    let case = Case::unlimited();
    let regular = case.role("Regular");
    let allow = |bits: u64| {
        case.sandbox.with_world(|w| {
            let guild = w.guilds.get_mut(&GUILD).unwrap();
            let both = perm::CREATE_GUILD_EXPRESSIONS | perm::MANAGE_GUILD_EXPRESSIONS;
            for role in [GUILD, regular] {
                let role = guild.roles.get_mut(&role).unwrap();
                role.permissions = (role.permissions & !both) | bits;
            }
        });
    };
    let theirs = case.bot(Method::POST, SOUNDS, horn()).json();
    let theirs = format!("{SOUNDS}/{}", theirs["sound_id"].as_str().unwrap());
    let member =
        |method: Method, path: &str, body: Value| case.user(small::MEMBER, method, path, body);
    let rename = || json!({"name": "Mine"});
    allow(0);
    assert_eq!(code(&member(Method::POST, SOUNDS, horn())), 50013);
    let seen = member(Method::GET, &theirs, Value::Null).json();
    assert_eq!((&seen["name"], seen.get("user")), (&json!("Horn"), None));
    allow(perm::CREATE_GUILD_EXPRESSIONS);
    let own = member(Method::POST, SOUNDS, horn()).json();
    let own = format!("{SOUNDS}/{}", own["sound_id"].as_str().unwrap());
    assert_eq!(member(Method::PATCH, &own, rename()).status, 200);
    assert_eq!(code(&member(Method::PATCH, &theirs, rename())), 50013);
    assert!(member(Method::GET, &theirs, Value::Null).json()["user"].is_object());
    allow(perm::MANAGE_GUILD_EXPRESSIONS);
    assert_eq!(member(Method::PATCH, &theirs, rename()).status, 200);
    assert_eq!(member(Method::DELETE, &theirs, Value::Null).status, 204);
    case.finish();
}

// 50124: a sound is at most 5.2 seconds.
#[test]
fn sounds_are_short() {
    let case = Case::unlimited();
    let toot = |ms: u64| {
        let mut bytes = b"OggS\x00\x02".to_vec();
        bytes.extend([0; 8]);
        bytes.extend(b"OpusHead");
        bytes.extend(b"OggS\x00\x04");
        bytes.extend((ms * 48).to_le_bytes());
        let sound = recording("audio/ogg", &bytes);
        case.bot(
            Method::POST,
            SOUNDS,
            json!({"name": "Horn", "sound": sound}),
        )
    };
    let long = toot(5201);
    assert_eq!((long.status, code(&long)), (400, 50124));
    assert_eq!(toot(5200).status, 201);
    case.finish();
}
