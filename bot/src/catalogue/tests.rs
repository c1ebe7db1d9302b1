use std::collections::{BTreeMap, BTreeSet};

use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement};

use serde_json::json;
use splashtail_api_types::job_lines::{KEY, Line, REFUSALS};
use splashtail_permissions::NativePermissions;

use super::bundles::FILES;
use super::prose::{self, Source};
use super::*;
use crate::app::Command;
use crate::modules::assemble::assemble;
use crate::modules::{Needed, all, foundation};
use crate::text;

/// Placeholders by key; attributes have keys of their own.
type Keys = BTreeMap<String, BTreeSet<String>>;

fn keys(language: Language) -> Keys {
    let mut keys = Keys::new();
    for (area, texts) in FILES {
        let resource = fluent_syntax::parser::parse(texts[language as usize]);
        let resource = resource.unwrap_or_else(|(_, errors)| panic!("{area}: {errors:?}"));
        for entry in resource.body {
            let Entry::Message(message) = entry else {
                let comment = matches!(
                    entry,
                    Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_)
                );
                assert!(comment, "{area}: neither a text nor a comment: {entry:?}");
                continue;
            };
            let id = message.id.name.to_owned();
            let attributes = message.attributes.iter();
            let attributes = attributes.map(|a| (format!("{id}.{}", a.id.name), &a.value));
            let own = message.value.iter().map(|value| (id.clone(), value));
            for (key, pattern) in own.chain(attributes) {
                let mut names = BTreeSet::new();
                collect(pattern, &mut names);
                assert!(
                    keys.insert(key.clone(), names).is_none(),
                    "{key} is there twice"
                );
            }
        }
    }
    keys
}

fn collect(pattern: &Pattern<&str>, names: &mut BTreeSet<String>) {
    let inline = |inline: &InlineExpression<&str>, names: &mut BTreeSet<String>| match inline {
        InlineExpression::VariableReference { id } => {
            names.insert(id.name.to_owned());
        }
        InlineExpression::StringLiteral { .. } => {}
        // The name of a command or an option, as people of this language find it.
        InlineExpression::MessageReference { id, .. } if id.name.starts_with("command-") => {}
        other => panic!("neither a placeholder nor a text: {other:?}"),
    };
    for element in &pattern.elements {
        let PatternElement::Placeable { expression } = element else {
            continue;
        };
        match expression {
            Expression::Inline(expression) => inline(expression, names),
            Expression::Select { selector, variants } => {
                inline(selector, names);
                variants
                    .iter()
                    .for_each(|variant| collect(&variant.value, names));
            }
        }
    }
}

/// Of which the code itself has the English ones.
fn is_of_code(key: &str) -> bool {
    let areas = [
        "command-",
        "line-",
        "module-",
        "need-",
        "permission-",
        "refusal-",
        "setting-",
    ];
    let mut areas = areas.into_iter();
    areas.any(|area| key.starts_with(area))
}

#[test]
fn every_language_has_every_text_with_the_same_placeholders() {
    let english = keys(Language::English);
    assert!(english.keys().all(|key| !is_of_code(key)));
    for language in Language::ALL {
        let mut own = keys(language);
        own.retain(|key, _| !is_of_code(key));
        assert_eq!(own, english, "{language:?}");
    }
}

#[test]
fn every_text_that_is_said_exists_and_every_text_is_said() {
    let english = keys(Language::English);
    let mut said = BTreeSet::new();
    for source in prose::sources() {
        for (key, names) in source.said() {
            let wanted = english.get(&key);
            assert_eq!(wanted, Some(&names), "`{key}` in {}", source.path);
            said.insert(key);
        }
    }
    let unsaid: Vec<_> = english.keys().filter(|key| !said.contains(*key)).collect();
    assert!(unsaid.is_empty(), "nobody says {unsaid:?}");
}

#[test]
fn german_texts_name_commands_and_options_as_discord_shows_them() {
    let none = fluent_bundle::FluentArgs::new();
    let german = Language::German;
    let said = |key: &str| super::bundles::find(german, key, &none).unwrap_or_default();
    let users = said("command-massban.option-users");
    assert!(said("massban-none-named").contains(&format!("`{users}`")) && users != "users");
    for (area, texts) in FILES.iter().filter(|(area, _)| *area != "commands") {
        let text = texts[german as usize];
        // Every reference leads somewhere.
        for part in text.split("{ command-").skip(1) {
            let (name, _) = part.split_once(" }").unwrap();
            assert!(
                !said(&format!("command-{name}")).is_empty(),
                "{area}: {name}"
            );
        }
        for command in text.split("`/").skip(1) {
            let english = command.split('`').next().unwrap();
            assert!(english.starts_with('{'), "{area}: `/{english}`");
        }
    }
}

/// Where every word that people read comes from the catalogue.
const MOVED: &[&str] = &[
    "denial.rs",
    "error.rs",
    "framework/errors.rs",
    "framework/maintenance.rs",
    "framework/setting_commands/answer.rs",
    "framework/setting_commands/pages.rs",
    "modules/core/help.rs",
    "modules/core/ping.rs",
    "modules/antinuke/acts.rs",
    "modules/antinuke/alerts.rs",
    "modules/antinuke/buttons.rs",
    "modules/antinuke/carry_out.rs",
    "modules/antinuke/commands.rs",
    "modules/antinuke/incidents.rs",
    "modules/antinuke/limits.rs",
    "modules/antinuke/listener.rs",
    "modules/antinuke/progress.rs",
    "modules/antinuke/put_back.rs",
    "modules/antinuke/text.rs",
    "modules/antinuke/timeline.rs",
    "modules/antinuke/weaker.rs",
    "modules/core/stats.rs",
    "modules/guarded/changes.rs",
    "modules/guarded/commands.rs",
    "modules/guarded/desk.rs",
    "modules/guarded/presses.rs",
    "modules/guarded/text.rs",
    "modules/jobs",
    "modules/lockdown",
    "modules/moderation",
    "modules/raid/alerts.rs",
    "modules/raid/bans.rs",
    "modules/raid/carry_out.rs",
    "modules/raid/catch_up.rs",
    "modules/raid/commands.rs",
    "modules/raid/listener.rs",
    "modules/raid/presses.rs",
    "modules/raid/text.rs",
    "modules/server_backups",
    "modules/settings/commands.rs",
    "modules/settings/imports.rs",
    "modules/settings/modules.rs",
    "modules/settings/perms.rs",
    "modules/settings/transfer.rs",
    "modules/setup",
    "pages.rs",
    "presses",
    "settings/values.rs",
    "settings/words.rs",
];

/// Declarations of settings, whose English stands in the code.
const DECLARED: &[&str] = &[
    "modules/lockdown/settings.rs",
    "modules/moderation/thresholds.rs",
];

#[test]
fn no_prose_is_left_where_texts_come_from_the_catalogue() {
    let sources = prose::sources();
    let is_of = |source: &Source, moved: &str| {
        source.path == moved || source.path.starts_with(&format!("{moved}/"))
    };
    for moved in MOVED {
        assert!(
            sources.iter().any(|source| is_of(source, moved)),
            "no {moved}"
        );
    }
    let of_moved = sources
        .iter()
        .filter(|source| MOVED.iter().any(|moved| is_of(source, moved)))
        .filter(|source| !DECLARED.contains(&source.path.as_str()));
    let left: Vec<_> = of_moved
        .flat_map(|source| {
            let prose = source.prose().into_iter();
            prose.map(|prose| format!("{}: {prose}", source.path))
        })
        .collect();
    assert!(left.is_empty(), "{left:#?}");
}

#[tokio::test]
async fn commands_are_localised() {
    let foundation = foundation::for_tests().await;
    let assembled = assemble(&all(&foundation)).unwrap();
    let (registry, commands) = (assembled.registry, assembled.commands);
    let mut lacking = BTreeSet::new();
    let lines = Line::ALL.iter().map(|line| format!("line-{}", line.code()));
    let refusals = REFUSALS.iter().map(|code| format!("refusal-{code}"));
    let mut known: BTreeSet<String> = lines.chain(refusals).collect();
    for module in registry.all() {
        known.insert(format!("module-{}", module.id));
        known.insert(format!("module-{}.description", module.id));
        for need in &module.needs {
            known.insert(super::commands::need_key(module.id, &need.what.key()));
            if let Needed::Permission(NativePermissions(bits)) = need.what {
                known.insert(format!("permission-{}", bits.trailing_zeros()));
            }
        }
    }
    for (_, setting) in registry.settings() {
        known.insert(format!("setting-{}", setting.id));
    }
    for command in &commands {
        learn(command, &mut known);
        localised(command, &mut lacking);
    }
    for language in Language::ALL
        .into_iter()
        .filter(|l| *l != Language::default())
    {
        let own = keys(language);
        let own = own.keys().filter(|key| is_of_code(key)).cloned().collect();
        let missing: Vec<_> = known.difference(&own).collect();
        assert!(missing.is_empty(), "{language:?} lacks {missing:#?}");
        // Names of permissions are those of Discord, asked for or not.
        let stale = own.difference(&known);
        let stale: Vec<_> = stale
            .filter(|key| !key.starts_with("permission-"))
            .collect();
        assert!(stale.is_empty(), "nothing is called {stale:#?}");
    }
    assert!(lacking.is_empty(), "unusable: {lacking:#?}");
}

fn learn(command: &Command, known: &mut BTreeSet<String>) {
    let key = format!("command-{}", command.qualified_name.replace(' ', "-"));
    known.insert(key.clone());
    known.insert(format!("{key}.description"));
    for option in &command.parameters {
        known.insert(format!("{key}.option-{}", option.name));
        known.insert(format!("{key}.about-{}", option.name));
        for number in 0..option.choices.len() {
            known.insert(format!("{key}.choice-{}-{number}", option.name));
        }
    }
    command.subcommands.iter().for_each(|sub| learn(sub, known));
}

/// Names and descriptions within Discord's bounds ("Application Command Naming").
fn localised(command: &Command, lacking: &mut BTreeSet<String>) {
    let is_name = |name: &str| {
        let length = name.chars().count();
        let letter = |c: char| (c.is_alphanumeric() && !c.is_uppercase()) || c == '-' || c == '_';
        (1..=32).contains(&length) && name.chars().all(letter)
    };
    let is_description = |text: &str| (1..=100).contains(&text.chars().count());
    let mut judge = |fine: bool, text: &str| {
        if !fine {
            lacking.insert(format!("/{}: {text}", command.qualified_name));
        }
    };
    for (_, name) in command.name_localizations.iter() {
        judge(is_name(name), name);
    }
    for (_, text) in command.description_localizations.iter() {
        judge(is_description(text), text);
    }
    let mut names = BTreeSet::new();
    for option in &command.parameters {
        for (locale, name) in option.name_localizations.iter() {
            judge(is_name(name) && names.insert((locale, name)), name);
        }
        for (_, text) in option.description_localizations.iter() {
            judge(is_description(text), text);
        }
        for choice in option.choices.iter() {
            for (_, text) in choice.localizations.iter() {
                // Discord takes more, and cuts what it shows.
                judge((1..=32).contains(&text.chars().count()), text);
            }
        }
    }
    let mut names = BTreeSet::new();
    for sub in &command.subcommands {
        for (locale, name) in sub.name_localizations.iter() {
            judge(names.insert((locale, name)), name);
        }
    }
    command
        .subcommands
        .iter()
        .for_each(|sub| localised(sub, lacking));
}

#[test]
fn texts_are_filled_and_numbers_decide() {
    assert_eq!(
        text!(Language::German, "words-more-roles", roles = "a", more = 2),
        "a und 2 weitere"
    );
    assert_eq!(text!(Language::English, "ping-title"), "Pong!");
}

#[test]
fn what_jobs_say_has_the_same_placeholders_in_every_language() {
    for language in Language::ALL {
        let own = keys(language);
        for line in Line::ALL {
            let names: BTreeSet<String> = line.names().map(str::to_owned).collect();
            if let Some(own) = own.get(&format!("line-{}", line.code())) {
                assert_eq!(*own, names, "{language:?}: {line:?}");
            }
        }
    }
}

#[test]
fn what_jobs_say_is_said_in_the_readers_language() {
    let extra = json!({KEY: "restored", "done": 12});
    let said = |language, extra: &serde_json::Value| {
        let extra = extra.as_object().unwrap();
        super::line(language, "Restored: all 12 changes were made", extra)
    };
    assert_eq!(
        said(Language::English, &extra),
        "Restored: all 12 changes were made"
    );
    let german = said(Language::German, &extra);
    assert!(
        german.contains("12") && german != said(Language::English, &extra),
        "{german}"
    );
    for unknown in [
        json!({}),
        json!({KEY: "of another version"}),
        json!({KEY: 5}),
    ] {
        assert_eq!(
            said(Language::German, &unknown),
            said(Language::English, &extra)
        );
    }
    let failed = super::line(
        Language::German,
        "no",
        json!({"code": "slot_taken"}).as_object().unwrap(),
    );
    assert_eq!(failed, super::refusal(Language::German, "slot_taken", "no"));
    assert_ne!(failed, "no");
}
