//! The languages of the bot.

/// A language that every text of the bot exists in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Language {
    /// Also for everybody whose language is not here.
    #[default]
    English,
    German,
}

impl Language {
    pub const ALL: [Self; 2] = [Self::English, Self::German];
    /// As servers name them.
    pub const CODES: [&str; 2] = [Self::English.code(), Self::German.code()];

    pub const fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::German => "de",
        }
    }

    /// Locales of Discord for which this language stands (Discord documentation, "Locales").
    pub const fn locales(self) -> &'static [&'static str] {
        match self {
            Self::English => &["en-US", "en-GB"],
            Self::German => &["de"],
        }
    }

    /// The language's name in itself.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::German => "Deutsch",
        }
    }

    /// Of a code or a locale, such as `de` or `en-GB`.
    pub fn of(locale: &str) -> Option<Self> {
        let language = locale.split(['-', '_']).next().unwrap_or_default();
        let mut all = Self::ALL.into_iter();
        all.find(|known| known.code().eq_ignore_ascii_case(language))
    }

    /// A number with so many decimals, written as this language does.
    pub fn decimal(self, number: f64, decimals: usize) -> String {
        let written = format!("{number:.decimals$}");
        match self {
            Self::English => written,
            Self::German => written.replace('.', ","),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locales_of_discord() {
        for language in Language::ALL {
            assert_eq!(Language::of(language.code()), Some(language));
            for locale in language.locales() {
                assert_eq!(Language::of(locale), Some(language), "{locale}");
            }
        }
        assert_eq!(Language::of("pt-BR"), None);
        assert_eq!(Language::of(""), None);
    }

    #[test]
    fn decimals() {
        assert_eq!(Language::English.decimal(1.25, 1), "1.2");
        assert_eq!(Language::German.decimal(1.25, 1), "1,2");
    }
}
