//! Names and descriptions of commands in languages other than English, which is the code's own.
//!
//! `command-<path>` is the name of a command (path with `-` between its parts), its attribute
//! `description` what it does, `option-<name>` and `choice-<option>-<number>` the names of options and
//! choices, `about-<name>` what an option means. `module-<id>`, `setting-<id>`, `need-<module>-<bit>` and
//! `need-<module>-intents` stand for what modules declare of themselves, `permission-<bit>` for names of Discord's permissions.

use std::borrow::Cow;

use fluent_bundle::FluentArgs;

use super::Language;
use super::bundles::find;

type Localisations = Cow<'static, [(Cow<'static, str>, Cow<'static, str>)]>;

/// Gives a command, its subcommands and options their names and descriptions in every language that
/// has them.
pub fn localise<U, E>(command: &mut poise::Command<U, E>) {
    let key = key(&command.qualified_name);
    command.name_localizations = all(&key);
    command.description_localizations = all(&format!("{key}.description"));
    for option in &mut command.parameters {
        let name = option.name.clone();
        option.name_localizations = all(&format!("{key}.option-{name}"));
        option.description_localizations = all(&format!("{key}.about-{name}"));
        for (number, choice) in option.choices.to_mut().iter_mut().enumerate() {
            choice.localizations = all(&format!("{key}.choice-{name}-{number}"));
        }
    }
    command.subcommands.iter_mut().for_each(localise);
}

/// What a command does, if this language has its own words for it.
pub fn description(language: Language, qualified_name: &str) -> Option<String> {
    own(language, &format!("{}.description", key(qualified_name)))
}

/// What an option of a command means.
pub fn option(language: Language, qualified_name: &str, option: &str) -> Option<String> {
    own(language, &format!("{}.about-{option}", key(qualified_name)))
}

pub fn module(language: Language, module: &str) -> Option<String> {
    own(language, &format!("module-{module}"))
}

pub fn module_description(language: Language, module: &str) -> Option<String> {
    own(language, &format!("module-{module}.description"))
}

/// The name of a setting.
pub fn setting(language: Language, setting: &str) -> Option<String> {
    own(language, &format!("setting-{setting}"))
}

/// Why a module needs something; `what` is a permission's bit, or `intents`.
pub fn need(language: Language, module: &str, what: &str) -> Option<String> {
    own(language, &need_key(module, what))
}

pub(super) fn need_key(module: &str, what: &str) -> String {
    format!("need-{module}-{what}")
}

/// The name of a permission as Discord shows it, by its bit.
pub fn permission(language: Language, bit: u32) -> Option<String> {
    own(language, &format!("permission-{bit}"))
}

fn key(qualified_name: &str) -> String {
    format!("command-{}", qualified_name.replace(' ', "-"))
}

fn own(language: Language, key: &str) -> Option<String> {
    find(language, key, &FluentArgs::new())
}

fn all(key: &str) -> Localisations {
    let others = Language::ALL
        .into_iter()
        .filter(|language| *language != Language::default());
    let texts = others.filter_map(|language| Some((language, own(language, key)?)));
    let localised = texts.flat_map(|(language, text)| {
        let locales = language.locales().iter();
        locales.map(move |locale| (Cow::from(*locale), Cow::from(text.clone())))
    });
    localised.collect::<Vec<_>>().into()
}
