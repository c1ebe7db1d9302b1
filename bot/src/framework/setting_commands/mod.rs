//! `/<setting> view|create|update|delete`, made from the declaration.

mod answer;
mod options;
mod pages;

use std::sync::Arc;

use poise::{ApplicationContext, BoxFuture, FrameworkError};
use splashtail_permissions::{CommandExtendedData, ExtendedData};

pub use self::answer::{asked, asked_by, changed, shown, takes_back};
pub use self::pages::Entries;
use crate::app::{Command, Context, Data};
use crate::error::BotError;
use crate::pages as turning;
use crate::reply;
use crate::settings::{Operation, Setting};

/// What a generated command works on.
struct Bound {
    setting: Arc<Setting>,
    operation: Operation,
}

/// The commands of a setting. All ask for the permission `<module>.<setting>`, or for
/// Administrator.
pub fn of(module: &str, setting: &Arc<Setting>) -> (Command, ExtendedData) {
    let subcommands = setting.operations.iter().map(|operation| {
        let bound = Bound {
            setting: Arc::clone(setting),
            operation: *operation,
        };
        Command {
            slash_action: Some(act),
            name: operation.as_str().into(),
            identifying_name: format!("{} {}", setting.id, operation.as_str()).into(),
            description: Some(describe(setting, *operation).into()),
            guild_only: true,
            parameters: options::parameters(setting, *operation),
            custom_data: Box::new(bound),
            ..Command::default()
        }
    });
    let needs = || CommandExtendedData::kittycat_or_admin(module, setting.id);
    let paths = setting
        .operations
        .iter()
        .map(|operation| operation.as_str());
    let paths = paths.chain([""]);
    let command = Command {
        slash_action: Some(act),
        name: setting.id.into(),
        identifying_name: setting.id.into(),
        description: Some(setting.description.into()),
        subcommands: subcommands.collect(),
        subcommand_required: true,
        guild_only: true,
        ..Command::default()
    };
    let extended_data = paths.map(|path| (path.to_owned(), needs())).collect();
    (command, extended_data)
}

fn describe(setting: &Setting, operation: Operation) -> String {
    let what = setting.name.to_lowercase();
    match operation {
        Operation::Update if setting.is_single() => {
            format!("Change {what}: what you leave out stays")
        }
        Operation::Delete if setting.is_single() => format!("Set {what} back to the defaults"),
        Operation::View => format!("Show what is set of {what}"),
        Operation::Create => format!("Add an entry to {what}"),
        Operation::Update => format!("Change an entry of {what}: what you leave out stays"),
        Operation::Delete => format!("Delete an entry of {what}"),
    }
}

fn act<'a>(
    cx: ApplicationContext<'a, Data, BotError>,
) -> BoxFuture<'a, Result<(), FrameworkError<'a, Data, BotError>>> {
    Box::pin(async move {
        let run = run(cx).await;
        run.map_err(|error| FrameworkError::new_command(Context::Application(cx), error))
    })
}

async fn run(application: ApplicationContext<'_, Data, BotError>) -> Result<(), BotError> {
    let cx = Context::Application(application);
    let Some(Bound { setting, operation }) = cx.command().custom_data.downcast_ref() else {
        // The root itself is never run.
        return Ok(());
    };
    reply::defer(cx).await?;
    if *operation == Operation::View {
        return turning::show::<Entries>(cx, setting.id).await;
    }
    let asked = asked(cx, None).await?;
    let fields = options::read(setting, application.args);
    let configuration = &cx.data().configuration;
    let done = configuration
        .change(&asked, setting.id, *operation, &fields)
        .await?;
    changed(cx, setting.id, &done).await
}
