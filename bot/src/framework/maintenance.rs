//! The notice that everybody outside `discord_auth.can_use_bot` and `discord_auth.root_users` gets
//! while `meta.maintenance` is on.

use std::time::Duration;

use poise::serenity_prelude as serenity;
use serde_json::{Value, json};
use serenity::{
    ChannelId, CommandInteraction, CreateEmbed, CreateInteractionResponse,
    CreateInteractionResponseMessage, Message, MessageId,
};
use splashtail_core::ids::UserId;
use splashtail_core::telemetry::Chain;
use splashtail_discord::{Discord, DiscordError, Lane};
use tracing::debug;

use crate::app::App;
use crate::catalogue::Language;
use crate::cluster::{ShardView, Totals};
use crate::colours;
use crate::discord_http::{describe, once_more};
use crate::fit::fit;
use crate::ids;
use crate::reply::LONGEST;
use crate::text;

pub fn applies(app: &App, user: UserId) -> bool {
    app.config.meta.maintenance
        && !app.config.discord_auth.can_use_bot.contains(&user)
        && !app.is_root_user(user)
}

pub async fn answer_command(cx: &serenity::Context, app: &App, command: &CommandInteraction) {
    let language = Language::of(&command.locale).unwrap_or_default();
    let (text, embeds) = notice(app, language).await;
    let sent = once_more(|| {
        let message = CreateInteractionResponseMessage::new()
            .content(text.clone())
            .embeds(embeds.clone())
            .ephemeral(true);
        command.create_response(&cx.http, CreateInteractionResponse::Message(message))
    });
    if let Err(error) = sent.await {
        debug!(
            error = describe(&error),
            "the maintenance notice was not sent"
        );
    }
}

pub async fn answer_message(app: &App, message: &Message) {
    let guild = message.guild_id.map(ids::guild);
    let view = guild.and_then(|guild| app.state.guilds.get(guild));
    let language = view.map(|view| app.languages.of_view(&view));
    let Some(connection) = app.state.connection() else {
        return;
    };
    let (text, embeds) = notice(app, language.unwrap_or_default()).await;
    let body = json!({ "content": text, "embeds": embeds });
    let asked = (message.channel_id, message.id);
    if let Err(error) = post(&connection.discord, asked, body).await {
        debug!(error = %Chain(&error), "the maintenance notice was not sent");
    }
}

/// Answers a message in its channel.
async fn post(
    discord: &Discord,
    (channel, message): (ChannelId, MessageId),
    mut body: Value,
) -> Result<(), DiscordError> {
    fit(&mut body);
    // One notice for one message, however often it has to be sent.
    body["nonce"] = message.to_string().into();
    body["enforce_nonce"] = true.into();
    let post = discord.post(format!("/channels/{channel}/messages"));
    let post = post.lane(Lane::Interactive).longest_wait(LONGEST);
    let post = post.idempotent_within(LONGEST).json(&body);
    post.send_empty().await
}

async fn notice(app: &App, language: Language) -> (String, Vec<CreateEmbed>) {
    let state = &app.state;
    let totals = state
        .fleet()
        .totals(state.cluster.id, &state.health().await);
    let support = app.config.meta.support_server.as_str();
    let text = text!(language, "maintenance-support", link = support);
    let cluster = state.cluster.label();
    let embeds = embeds(language, totals, &cluster, state.uptime());
    (text, embeds.into())
}

fn embeds(language: Language, totals: Totals, cluster: &str, uptime: Duration) -> [CreateEmbed; 3] {
    let statistics = [
        (text!(language, "stats-servers"), totals.guilds.to_string()),
        (text!(language, "stats-shards"), totals.shards.to_string()),
        (
            text!(language, "stats-clusters"),
            totals.clusters.to_string(),
        ),
        (text!(language, "stats-cluster"), cluster.to_owned()),
        (text!(language, "stats-uptime"), spell_uptime(uptime)),
    ];
    let statistics = statistics.map(|(name, value)| format!("**{name}:** {value}"));
    [
        CreateEmbed::new()
            .title(text!(language, "maintenance-title"))
            .description(text!(language, "maintenance-text"))
            .colour(colours::RED),
        CreateEmbed::new()
            .title(text!(language, "maintenance-updates"))
            .description(text!(language, "maintenance-updates-text"))
            .colour(colours::BLUE),
        CreateEmbed::new()
            .title(text!(language, "maintenance-statistics"))
            .description(statistics.join("\n"))
            .colour(colours::RED),
    ]
}

/// `26h3m5s`
pub fn spell_uptime(uptime: Duration) -> String {
    let seconds = uptime.as_secs();
    format!("{}h{}m{}s", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use splashtail_core::clock::SystemClock;
    use wiremock::matchers::{body_partial_json, method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    #[tokio::test]
    async fn a_message_is_answered_once_and_calls_nobody() {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let server = MockServer::start().await;
        let expected = json!({"content": "@everyone", "nonce": "8", "enforce_nonce": true,
            "allowed_mentions": {"parse": []}});
        Mock::given(method("POST"))
            .and(path("/api/v10/channels/7/messages"))
            .and(body_partial_json(expected))
            .respond_with(ResponseTemplate::new(200).set_body_json(json!({"id": "9"})))
            .expect(1)
            .mount(&server)
            .await;
        let base = server.uri().parse().unwrap();
        let discord = Discord::new(&base, &base, &"token".into(), SystemClock::shared()).unwrap();
        let asked = (ChannelId::new(7), MessageId::new(8));
        let body = json!({"content": "@everyone", "embeds": []});
        post(&discord, asked, body).await.unwrap();
    }

    #[test]
    fn uptime_in_hours_minutes_seconds() {
        assert_eq!(
            spell_uptime(Duration::from_secs(26 * 3600 + 185)),
            "26h3m5s"
        );
        assert_eq!(spell_uptime(Duration::from_millis(900)), "0h0m0s");
    }

    #[test]
    fn the_statistics_name_what_is_asked_most() {
        let totals = Totals {
            guilds: 7,
            users: 70,
            shards: 4,
            clusters: 2,
        };
        let embeds = embeds(
            Language::English,
            totals,
            "Flare (0 of 1)",
            Duration::from_secs(61),
        );
        let json = serde_json::to_value(&embeds[2]).unwrap();
        insta::assert_snapshot!(json["description"].as_str().unwrap(), @r"
        **Servers:** 7
        **Shards:** 4
        **Clusters:** 2
        **Cluster:** Flare (0 of 1)
        **Uptime:** 0h1m1s
        ");
    }
}
