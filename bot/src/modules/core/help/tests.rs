use splashtail_core::ids::UserId;

use super::*;
use crate::catalogue::Language;
use crate::modules::{all, assemble::assemble, foundation};
use crate::reply::shown;

async fn registry() -> Registry {
    let foundation = foundation::for_tests().await;
    assemble(&all(&foundation)).unwrap().registry
}

fn turning() -> Turning {
    Turning {
        user: UserId::new(7).unwrap(),
        language: Language::English,
        about: String::new(),
    }
}

async fn pages(is_root: bool) -> HelpPages {
    HelpPages::of(&registry().await, is_root)
}

#[tokio::test]
async fn the_first_page_has_nothing_before_it() {
    let page = shown(&pages(false).await.render(&turning(), 0));
    assert_eq!(page["embeds"][0]["title"], "Core");
    let buttons = &page["components"][0]["components"];
    assert_eq!(buttons[0]["disabled"], true);
    assert_eq!(buttons[1]["custom_id"], "hnav:7:cancel:");
    assert_eq!(buttons[2]["custom_id"], "hnav:7:1:");
    let menu = &page["components"][1]["components"][0];
    assert_eq!(menu["custom_id"], "hnav:7:menu:");
    assert_eq!(menu["options"][1]["value"], "1");
}

#[tokio::test]
async fn the_last_page_has_nothing_behind_it_and_no_page_is_missing() {
    let pages = pages(false).await;
    let last = pages.modules.len() - 1;
    let page = shown(&pages.render(&turning(), last));
    assert_eq!(page["components"][0]["components"][2]["disabled"], true);
    assert_eq!(page, shown(&pages.render(&turning(), usize::MAX)));
}

#[tokio::test]
async fn a_page_says_what_the_module_needs_and_fits() {
    let pages = pages(true).await;
    for number in 0..pages.modules.len() {
        let page = shown(&pages.render(&turning(), number));
        let embed = &page["embeds"][0];
        let fields = embed["fields"].as_array().unwrap();
        let texts = fields
            .iter()
            .flat_map(|field| [&field["name"], &field["value"]]);
        let texts = texts.chain([&embed["title"], &embed["description"]]);
        let length: usize = texts
            .map(|text| text.as_str().unwrap().chars().count())
            .sum();
        // The footer is short.
        assert!(
            length < 5900 && fields.len() <= MAX_ITEMS,
            "{length}: {embed}"
        );
    }
    let place = pages
        .modules
        .iter()
        .position(|page| page.module.id == "antinuke");
    let antinuke = shown(&pages.render(&turning(), place.unwrap()));
    let embed = &antinuke["embeds"][0];
    let needs = embed["fields"].as_array().unwrap().last().unwrap();
    let needs = needs["value"].as_str().unwrap();
    assert!(needs.contains("**View Audit Log**: To see in the audit log who did what"));
    let text = embed["description"].as_str().unwrap();
    assert!(
        text.contains("AntiRaid counts") && !text.contains("# Protection"),
        "{text}"
    );
    let core = shown(&pages.render(&turning(), 0));
    assert!(core.to_string().contains("Message Content**"), "{core}");
}

#[tokio::test]
async fn only_operators_see_their_commands() {
    let titles = async |is_root| {
        let pages = pages(is_root).await;
        pages
            .modules
            .iter()
            .map(|page| page.module.id.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(
        titles(false).await,
        [
            "core",
            "setup",
            "antinuke",
            "raid",
            "lockdown",
            "guarded",
            "moderation",
            "server_backups",
            "settings"
        ]
    );
    assert_eq!(
        titles(true).await,
        [
            "core",
            "setup",
            "antinuke",
            "raid",
            "lockdown",
            "guarded",
            "moderation",
            "server_backups",
            "settings",
            "root"
        ]
    );
    let registry = registry().await;
    assert!(find(&registry, "register", false).is_none());
    assert!(find(&registry, "register", true).is_some());
    assert!(find(&registry, "acl__core_defaultperms_check", true).is_none());
}

#[tokio::test]
async fn commands_are_found_by_path() {
    let registry = registry().await;
    let name =
        |wanted: &str| find(&registry, wanted, false).map(|command| command.qualified_name.clone());
    assert_eq!(name("/Backups  Create").as_deref(), Some("backups create"));
    assert_eq!(name("%ping").as_deref(), Some("ping"));
    assert_eq!(name("backups destroy"), None);
    assert_eq!(name("  "), None);
}

#[tokio::test]
async fn plain_help_lists_what_can_be_run() {
    let registry = registry().await;
    let modules = registry.modules().filter(|module| is_shown(module, false));
    let text = plain(Language::English, modules.flat_map(commands));
    assert!(text.starts_with("```\n/help"), "{text}");
    for shown in ["\n/backups create", "\n/perms undo", "\n/guild_roles view"] {
        assert!(text.contains(shown), "{text}");
    }
    assert!(!text.contains("register") && text.len() < 2000);
    let few = plain(
        Language::English,
        find(&registry, "backups", false).into_iter(),
    );
    assert!(few.contains("Back up this server"), "{few}");
}

#[tokio::test]
async fn a_command_shows_parameters_and_subcommands() {
    let registry = registry().await;
    let backups = find(&registry, "backups", false).unwrap();
    let backups = serde_json::to_value(describe(Language::English, backups));
    let names: Vec<_> = backups.unwrap()["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|field| field["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "/backups create",
            "/backups list",
            "/backups restore",
            "/backups delete",
            "/backups schedule"
        ]
    );
    let create = find(&registry, "backups create", false).unwrap();
    let create = serde_json::to_value(describe(Language::English, create)).unwrap();
    let parameters = &create["fields"][0];
    assert_eq!(parameters["name"], "Parameters");
    assert!(
        parameters["value"]
            .as_str()
            .unwrap()
            .contains("`password` (optional): ")
    );
}

#[tokio::test]
async fn help_is_in_the_language_of_its_readers() {
    let turning = Turning {
        language: Language::German,
        ..turning()
    };
    let pages = pages(false).await;
    let core = shown(&pages.render(&turning, 0));
    let embed = &core["embeds"][0];
    assert_eq!(embed["title"], "Grundlegendes");
    let needs = embed["fields"].as_array().unwrap().last().unwrap();
    assert_eq!(needs["name"], "Was es braucht, und wozu");
    assert!(
        needs["value"].as_str().unwrap().contains("Befehle"),
        "{needs}"
    );
    let menu = &core["components"][1]["components"][0];
    assert_eq!(menu["placeholder"], "Wähle ein Modul");
    let registry = registry().await;
    let create = find(&registry, "backups create", false).unwrap();
    let create = serde_json::to_value(describe(Language::German, create)).unwrap();
    for (text, says) in [
        (&create["description"], "Sichert diesen Server"),
        (&create["fields"][0]["value"], "Sicherung"),
    ] {
        assert!(text.as_str().unwrap().contains(says), "{text}");
    }
    assert_eq!(create["fields"][0]["name"], "Parameter");
}
