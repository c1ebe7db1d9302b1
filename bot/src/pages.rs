//! Messages with pages that their reader turns with buttons.

use std::sync::Arc;

use async_trait::async_trait;
use poise::CreateReply;
use poise::serenity_prelude as serenity;
use serenity::{CreateActionRow, CreateButton};
use splashtail_core::ids::{GuildId, RoleId, UserId};

use crate::app::{self, Context, Data};
use crate::catalogue::Language;
use crate::configuration::Asked;
use crate::error::BotError;
use crate::framework::check;
use crate::ids;
use crate::presses::{Change, Press, Presses, Reaction};
use crate::reply;
use crate::text;

/// Pages beyond it are never asked for: nobody turns so many.
const MAX_PAGE: usize = 999;
/// In place of a page's number.
const CANCEL: &str = "cancel";
const MENU: &str = "menu";
const NOWHERE: &str = "none";

/// A list, made anew for each page: nothing is kept between them.
#[async_trait]
pub trait Pages: Send + Sync + 'static {
    /// Of its buttons: `<prefix>:<user>:<page>:<about>`, with [`Turning::about`] at the end.
    const PREFIX: &'static str;

    /// The command that shows it, which whoever turns a page has to be allowed still; `None`:
    /// everybody is.
    fn command(about: &str) -> Option<String>;

    /// The whole message that shows a page, buttons included. Any number may be asked for.
    async fn page(reader: &Reader, number: usize) -> Result<CreateReply, BotError>;
}

/// For [`Pages::command`].
pub fn command(qualified_name: &str) -> Option<String> {
    Some(qualified_name.to_owned())
}

/// Who reads pages, and where.
pub struct Reader {
    pub app: Data,
    guild: Option<GuildId>,
    roles: Option<Vec<RoleId>>,
    pub turning: Turning,
}

/// What the buttons under a page say and lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turning {
    /// Nobody else can press them.
    pub user: UserId,
    /// Of what is shown.
    pub language: Language,
    /// What the pages are about, where they can be about several things; a few letters.
    pub about: String,
}

impl Reader {
    /// # Errors
    /// [`BotError::NoGuild`] in private messages.
    pub fn guild(&self) -> Result<GuildId, BotError> {
        self.guild.ok_or(BotError::NoGuild)
    }

    /// The reader as the one who asks for settings.
    ///
    /// # Errors
    /// Discord does not say who they are.
    pub async fn asked(&self) -> Result<Asked, BotError> {
        let who = (self.guild()?, self.turning.user);
        let asked = Asked::in_discord(&self.app.state, who, self.roles.clone(), None);
        asked.await.map_err(BotError::Denied)
    }
}

impl Turning {
    fn id(&self, prefix: &str, target: &str) -> String {
        format!("{prefix}:{}:{target}:{}", self.user, self.about)
    }

    fn button(&self, prefix: &str, target: Option<usize>) -> CreateButton {
        match target.filter(|target| *target <= MAX_PAGE) {
            Some(target) => CreateButton::new(self.id(prefix, &target.to_string())),
            None => CreateButton::new(self.id(prefix, NOWHERE)).disabled(true),
        }
    }

    /// The page before this one.
    pub fn previous(&self, prefix: &str, page: usize) -> CreateButton {
        let button = self.button(prefix, page.checked_sub(1));
        button.label(text!(self.language, "page-previous"))
    }

    /// The page behind this one. Its id is never that of another button.
    pub fn next(&self, prefix: &str, page: usize, more: bool) -> CreateButton {
        let button = self.button(prefix, Some(page.saturating_add(1)));
        let button = button.label(text!(self.language, "page-next"));
        match more && page < MAX_PAGE {
            true => button,
            false => button.disabled(true),
        }
    }

    /// Takes the message away.
    pub fn cancel(&self, prefix: &str) -> CreateButton {
        let button = CreateButton::new(self.id(prefix, CANCEL));
        let button = button.style(serenity::ButtonStyle::Danger);
        button.label(text!(self.language, "page-cancel"))
    }

    /// The custom id of a menu whose values are numbers of pages.
    pub fn menu(&self, prefix: &str) -> String {
        self.id(prefix, MENU)
    }

    /// Previous and next; none where there is one page.
    pub fn buttons(&self, prefix: &str, page: usize, more: bool) -> Vec<CreateActionRow> {
        if page == 0 && !more {
            return Vec::new();
        }
        vec![CreateActionRow::Buttons(vec![
            self.previous(prefix, page),
            self.next(prefix, page, more),
        ])]
    }

    /// Which of how many, for the foot of a page.
    pub fn of(&self, page: usize, pages: usize) -> String {
        text!(
            self.language,
            "page-of",
            number = page.saturating_add(1),
            pages = pages
        )
    }
}

/// Shows the first page. Later ones are turned by the author of the command, as long as the message is
/// there.
///
/// # Errors
/// The first page cannot be shown.
pub async fn show<P: Pages>(cx: Context<'_>, about: &str) -> Result<(), BotError> {
    let roles = match cx {
        Context::Application(application) => application.interaction.member.as_ref(),
        Context::Prefix(_) => None,
    };
    let roles = roles.map(|member| member.roles.iter().copied().map(ids::role).collect());
    let reader = Reader {
        app: Arc::clone(cx.data()),
        guild: cx.guild_id().map(ids::guild),
        roles,
        turning: Turning {
            user: ids::user(cx.author().id),
            language: app::language_here(cx),
            about: about.to_owned(),
        },
    };
    reply::answer(cx, P::page(&reader, 0).await?).await?;
    Ok(())
}

/// The buttons of these pages, for the module that shows them.
pub fn presses<P: Pages>() -> Presses {
    Presses::new(P::PREFIX, |app, press| {
        let Some(Turn { user, wish, about }) = Turn::read(press) else {
            return Reaction::stale(press);
        };
        if user != press.user {
            return Reaction::not_yours(press);
        }
        let Wish::Page(number) = wish else {
            return Reaction::change(async { Ok(Change::Delete) }).at_once();
        };
        let reader = Reader {
            app: Arc::clone(app),
            guild: press.guild().ok(),
            roles: press.roles.clone(),
            turning: Turning {
                user,
                language: press.language_here(app),
                about,
            },
        };
        Reaction::change(async move {
            if let Some(command) = P::command(&reader.turning.about) {
                let app = &reader.app;
                let allowed = check::may_run(&**app, reader.guild()?, user, &command).await;
                if !allowed.is_ok() {
                    return Err(BotError::Denied(allowed));
                }
            }
            Change::show(P::page(&reader, number).await?)
        })
        .at_once()
    })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wish {
    Page(usize),
    Cancel,
}

/// What a press asks for, and whose it is.
#[derive(Debug, PartialEq, Eq)]
struct Turn {
    user: UserId,
    wish: Wish,
    about: String,
}

impl Turn {
    fn read(press: &Press) -> Option<Self> {
        let [user, target, about] = press.parts()?;
        let wish = decide(target, press.values.first().map(String::as_str))?;
        Some(Self {
            user: user.parse().ok()?,
            wish,
            about: about.to_owned(),
        })
    }
}

fn decide(target: &str, value: Option<&str>) -> Option<Wish> {
    let page = |text: &str| {
        let number = text.parse::<usize>().ok()?;
        (number <= MAX_PAGE).then_some(Wish::Page(number))
    };
    match target {
        CANCEL => Some(Wish::Cancel),
        MENU => page(value?),
        number => page(number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_button_leads() {
        for (target, value, wish) in [
            ("3", None, Some(Wish::Page(3))),
            ("-1", None, None),
            ("1000", None, None),
            ("cancel", None, Some(Wish::Cancel)),
            ("menu", Some("2"), Some(Wish::Page(2))),
            ("menu", None, None),
            ("", None, None),
        ] {
            assert_eq!(decide(target, value), wish, "{target}");
        }
    }
}
