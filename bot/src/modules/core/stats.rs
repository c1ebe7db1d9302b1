//! `stats`.

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;

use crate::app::Context;
use crate::cluster::{ShardView, Totals};
use crate::colours;
use crate::error::BotError;
use crate::framework::maintenance::spell_uptime;
use crate::markdown::{neutralise, shorten};
use crate::reply;

/// Show what the bot is and how much it does.
#[poise::command(prefix_command, slash_command, user_cooldown = 1)]
pub async fn stats(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let state = &cx.data().state;
    let totals = state
        .fleet()
        .totals(state.cluster.id, &state.health().await);
    let cluster = &state.cluster;
    let cluster = format!("{} ({} of {})", cluster.name, cluster.id, cluster.count);
    let name = cx.cache().current_user().name.clone();
    let embed = embed(&name, totals, &cluster, &spell_uptime(state.uptime()));
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

fn embed(name: &str, totals: Totals, cluster: &str, uptime: &str) -> CreateEmbed {
    let message = shorten(&neutralise(env!("SPLASHTAIL_BUILD_COMMIT_MESSAGE")), 200);
    let built_on = concat!(
        env!("SPLASHTAIL_BUILD_BUILT_ON"),
        ", ",
        env!("SPLASHTAIL_BUILD_TARGET")
    );
    CreateEmbed::new()
        .title("Bot Stats")
        .colour(colours::BLUE)
        .field("Bot name", neutralise(name), true)
        .field("Bot version", env!("CARGO_PKG_VERSION"), true)
        .field("rustc", env!("SPLASHTAIL_BUILD_RUSTC"), true)
        .field("Git Commit", env!("SPLASHTAIL_BUILD_COMMIT"), true)
        .field("Uptime", uptime, true)
        .field("Cluster", cluster, true)
        .field("Servers", totals.guilds.to_string(), true)
        .field("Users", totals.users.to_string(), true)
        .field("Commit Message", message, true)
        .field("Built On", built_on, true)
        .field("Cargo Profile", env!("SPLASHTAIL_BUILD_PROFILE"), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_field_has_a_value() {
        let totals = Totals {
            guilds: 4,
            users: 20,
            shards: 4,
            clusters: 2,
        };
        let embed = serde_json::to_value(embed("splashtail", totals, "Flare (0 of 2)", "0h1m0s"));
        let embed = embed.unwrap();
        let fields = embed["fields"].as_array().unwrap();
        let names: Vec<_> = fields
            .iter()
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "Bot name",
                "Bot version",
                "rustc",
                "Git Commit",
                "Uptime",
                "Cluster",
                "Servers",
                "Users",
                "Commit Message",
                "Built On",
                "Cargo Profile"
            ]
        );
        for field in fields {
            let value = field["value"].as_str().unwrap();
            assert!((1..=1024).contains(&value.chars().count()), "{field}");
        }
    }
}
