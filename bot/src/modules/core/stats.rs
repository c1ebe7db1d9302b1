//! `stats`.

use poise::CreateReply;
use poise::serenity_prelude::CreateEmbed;

use crate::app::{self, Context};
use crate::catalogue::Language;
use crate::cluster::{ShardView, Totals};
use crate::colours;
use crate::error::BotError;
use crate::framework::maintenance::spell_uptime;
use crate::markdown::{neutralise, shorten};
use crate::reply;
use crate::text;

/// Show what the bot is and how much it does.
#[poise::command(prefix_command, slash_command, user_cooldown = 1)]
pub async fn stats(cx: Context<'_>) -> Result<(), BotError> {
    reply::defer(cx).await?;
    let state = &cx.data().state;
    let totals = state
        .fleet()
        .totals(state.cluster.id, &state.health().await);
    let cluster = &state.cluster;
    let language = app::language_here(cx);
    let cluster = text!(
        language,
        "stats-cluster-value",
        name = cluster.name.as_str(),
        id = cluster.id.to_string(),
        count = cluster.count.to_string()
    );
    let name = cx.cache().current_user().name.clone();
    let uptime = spell_uptime(state.uptime());
    let embed = embed(language, &name, totals, &cluster, &uptime);
    reply::answer(cx, CreateReply::default().embed(embed)).await?;
    Ok(())
}

fn embed(
    language: Language,
    name: &str,
    totals: Totals,
    cluster: &str,
    uptime: &str,
) -> CreateEmbed {
    let message = neutralise(&shorten(env!("SPLASHTAIL_BUILD_COMMIT_MESSAGE"), 200));
    let built_on = concat!(
        env!("SPLASHTAIL_BUILD_BUILT_ON"),
        ", ",
        env!("SPLASHTAIL_BUILD_TARGET")
    );
    let fields = [
        (text!(language, "stats-name"), neutralise(name)),
        (
            text!(language, "stats-version"),
            env!("CARGO_PKG_VERSION").to_owned(),
        ),
        (
            text!(language, "stats-rustc"),
            env!("SPLASHTAIL_BUILD_RUSTC").to_owned(),
        ),
        (
            text!(language, "stats-commit"),
            env!("SPLASHTAIL_BUILD_COMMIT").to_owned(),
        ),
        (text!(language, "stats-uptime"), uptime.to_owned()),
        (text!(language, "stats-cluster"), cluster.to_owned()),
        (text!(language, "stats-servers"), totals.guilds.to_string()),
        (text!(language, "stats-users"), totals.users.to_string()),
        (text!(language, "stats-shards"), totals.shards.to_string()),
        (
            text!(language, "stats-clusters"),
            totals.clusters.to_string(),
        ),
        (text!(language, "stats-message"), message),
        (text!(language, "stats-built"), built_on.to_owned()),
        (
            text!(language, "stats-profile"),
            env!("SPLASHTAIL_BUILD_PROFILE").to_owned(),
        ),
    ];
    CreateEmbed::new()
        .title(text!(language, "stats-title"))
        .colour(colours::BLUE)
        .fields(fields.map(|(name, value)| (name, value, true)))
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
        let embed = serde_json::to_value(embed(
            Language::English,
            "splashtail",
            totals,
            "Flare (0 of 2)",
            "0h1m0s",
        ));
        let embed = embed.unwrap();
        let fields = embed["fields"].as_array().unwrap();
        let names: Vec<_> = fields
            .iter()
            .map(|field| field["name"].as_str().unwrap())
            .collect();
        assert_eq!(
            names,
            [
                "Name",
                "Version",
                "rustc",
                "Git commit",
                "Uptime",
                "Cluster",
                "Servers",
                "Users",
                "Shards",
                "Clusters",
                "Commit message",
                "Built on",
                "Cargo profile"
            ]
        );
        for field in fields {
            let value = field["value"].as_str().unwrap();
            assert!((1..=1024).contains(&value.chars().count()), "{field}");
        }
    }
}
