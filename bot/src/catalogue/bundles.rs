//! The texts themselves.

use std::sync::LazyLock;

use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use tracing::error;

use super::Language;

/// What fills a placeholder; numbers also decide between singular and plural.
pub type Argument<'a> = FluentValue<'a>;

type Bundle = FluentBundle<FluentResource>;

macro_rules! files {
    ($($area:literal),+ $(,)?) => {
        /// By area: the English texts and the German ones.
        pub(super) const FILES: &[(&str, [&str; 2])] = &[$((
            $area,
            [
                include_str!(concat!("../../locales/en/", $area, ".ftl")),
                include_str!(concat!("../../locales/de/", $area, ".ftl")),
            ],
        )),+];
    };
}

files![
    "antinuke",
    "backups",
    "commands",
    "core",
    "errors",
    "guarded",
    "lines",
    "lockdown",
    "moderation",
    "raid",
    "settings",
    "setup",
];

static BUNDLES: LazyLock<[Bundle; 2]> = LazyLock::new(|| Language::ALL.map(bundle));

fn bundle(language: Language) -> Bundle {
    // Codes are identifiers of languages; the tests hold them to it.
    let locale = language.code().parse().unwrap_or_default();
    let mut bundle = FluentBundle::new_concurrent(vec![locale]);
    // Discord shows the marks that would isolate what is put in.
    bundle.set_use_isolating(false);
    for (area, texts) in FILES {
        let text = texts[language as usize].to_owned();
        let resource = FluentResource::try_new(text).unwrap_or_else(|(whole, mistakes)| {
            error!(area, ?mistakes, "texts cannot be read");
            whole
        });
        if let Err(mistakes) = bundle.add_resource(resource) {
            error!(area, ?mistakes, "texts exist twice");
        }
    }
    bundle
}

/// The text of a key, or of an attribute of it (`key.attribute`). A text that this language lacks is
/// said in English; one that does not exist shows its key, which no test lets happen.
pub fn say<'a, const N: usize>(
    language: Language,
    key: &str,
    arguments: [(&'a str, Argument<'a>); N],
) -> String {
    let arguments: FluentArgs<'a> = arguments.into_iter().collect();
    let said = find(language, key, &arguments);
    let said = said.or_else(|| find(Language::default(), key, &arguments));
    said.unwrap_or_else(|| {
        error!(key, "a text is missing");
        key.to_owned()
    })
}

/// The text in this language and no other.
pub(super) fn find(language: Language, key: &str, arguments: &FluentArgs<'_>) -> Option<String> {
    let bundle = &BUNDLES[language as usize];
    let pattern = match key.split_once('.') {
        None => bundle.get_message(key)?.value()?,
        Some((key, attribute)) => bundle.get_message(key)?.get_attribute(attribute)?.value(),
    };
    let mut mistakes = Vec::new();
    let said = bundle.format_pattern(pattern, Some(arguments), &mut mistakes);
    if !mistakes.is_empty() {
        error!(key, ?mistakes, "a text lacks something");
    }
    Some(said.into_owned())
}
