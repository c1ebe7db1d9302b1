//! The first message in a server that the bot has just come to.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use serde::Deserialize;
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, UserId};
use splashtail_core::telemetry::Chain;
use splashtail_discord::ensure::Nonce;
use splashtail_discord::permissions::Subject;
use splashtail_discord::{Discord, DiscordError, Lane};
use splashtail_guild::{Id, Kind};
use tracing::{debug, info, warn};

use super::look::TO_WRITE;
use super::service::Setup;
use crate::catalogue::{Language, ServerLanguages};
use crate::colours;
use crate::events::{Event, EventKind, EventKinds, Listener};
use crate::fit::fit;
use crate::guilds::GuildView;
use crate::markdown::neutralise;
use crate::text;

/// A bot that was away when it was added still greets; one that was there before does not.
const JUST: Duration = Duration::days(1);
/// Who removes and adds the bot again and again is greeted no more often.
const NOT_AGAIN: Duration = Duration::days(7);

pub struct Greeter {
    pub setup: Arc<Setup>,
    pub discord: Discord,
    pub languages: ServerLanguages,
}

/// When the bot's own member joined.
#[derive(Debug, Deserialize)]
struct Joined {
    joined_at: Option<DateTime<Utc>>,
    id: Id,
}

/// Where it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Channel(ChannelId),
    Owner(UserId),
}

#[async_trait]
impl Listener for Greeter {
    fn kinds(&self) -> EventKinds {
        EventKinds::of(&[EventKind::GuildCreate])
    }

    async fn on_event(&self, event: &Event, guild: &GuildView) -> anyhow::Result<()> {
        let joined: Joined = event.decode()?;
        let now = self.setup.clock.now();
        if !joined.joined_at.is_some_and(|at| is_new(at, now)) || !guild.is_available() {
            return Ok(());
        }
        let setups = self.setup.storage.setups();
        // Claimed before it is said: rather no greeting than two.
        if !setups
            .claim_greeting(guild.id(), now, now - NOT_AGAIN)
            .await?
        {
            return Ok(());
        }
        let (discord, language) = (self.discord.clone(), self.languages.of_view(guild));
        let (view, server) = (guild.clone(), joined.id);
        // The server's next events do not wait for Discord.
        tokio::spawn(async move {
            let Some((place, name)) = find_place(&view) else {
                debug!(guild.id = %server, "nobody can be greeted");
                return;
            };
            let nonce = Nonce::of(&["greeting", &server.to_string(), &now.to_rfc3339()]);
            match say(&discord, place, &greeting(language, &name), &nonce).await {
                Ok(()) => info!(guild.id = %server, "greeted a new server"),
                Err(error) => {
                    warn!(guild.id = %server, error = %Chain(&error), "a new server was not greeted");
                }
            }
        });
        Ok(())
    }
}

fn is_new(joined: DateTime<Utc>, now: DateTime<Utc>) -> bool {
    now - joined < JUST
}

/// The channel for such messages where the bot can write, else the owner. With the server's name.
fn find_place(view: &GuildView) -> Option<(Place, String)> {
    let facts = view.facts();
    let own = facts.permissions(view.id(), &facts.own_roles);
    let all = own & splashtail_discord::permissions::bits::ADMINISTRATOR != 0;
    let subject = Subject {
        // The bot's own overwrites make no difference in a server it has just come to.
        user: 0,
        guild: view.id().get(),
        roles: facts.own_roles.iter().map(|role| role.get()).collect(),
        unknown_role: None,
        base: own,
        all,
        timed_out: false,
    };
    let channel = view.structure(|structure| {
        let id = Id::read(&structure.guild()["system_channel_id"])?;
        let channel = structure.get(Kind::Channel, id)?;
        let writes = all || subject.in_channel(channel) & TO_WRITE == TO_WRITE;
        (writes && !structure.is_hidden(id)).then_some(id)
    });
    let channel = channel.and_then(|id| ChannelId::new(id.get()));
    let place = channel
        .map(Place::Channel)
        .or(facts.owner.map(Place::Owner));
    place.map(|place| (place, facts.name.clone()))
}

fn greeting(language: Language, server: &str) -> Value {
    let text = text!(language, "greeting-text", server = neutralise(server));
    let mut body = json!({"embeds": [{"title": text!(language, "greeting-title"),
        "description": text, "color": colours::BLUE.0}]});
    fit(&mut body);
    body
}

async fn say(
    discord: &Discord,
    place: Place,
    body: &Value,
    nonce: &Nonce,
) -> Result<(), DiscordError> {
    let discord = discord.in_lane(Lane::Interactive);
    let channel = match place {
        Place::Channel(channel) => channel.to_string(),
        Place::Owner(owner) => {
            let open = discord.post("/users/@me/channels").idempotent(true);
            let channel = open.json(&json!({"recipient_id": owner})).send().await?;
            channel["id"].as_str().unwrap_or_default().to_owned()
        }
    };
    let mut body = body.clone();
    body["nonce"] = nonce.as_str().into();
    body["enforce_nonce"] = true.into();
    let post = discord.post(format!("/channels/{channel}/messages"));
    post.json(&body).send_empty().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_that_the_bot_has_just_come_to_are_new() {
        let now = DateTime::UNIX_EPOCH + Duration::days(100);
        assert!(is_new(now - Duration::minutes(5), now));
        // Another clock may be ahead.
        assert!(is_new(now + Duration::minutes(5), now));
        assert!(!is_new(now - Duration::days(2), now));
    }
}
