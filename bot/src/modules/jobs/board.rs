//! The message that shows a task.

use std::time::Duration;

use async_trait::async_trait;
use poise::serenity_prelude as serenity;
use serde_json::{Value, json};
use splashtail_core::ids::{ChannelId, MessageId};
use splashtail_discord::{Discord, DiscordError, Lane, Request, Upload, snowflake};

use super::follow::Canvas;
use super::status::{Note, Picture};
use crate::app::Context;
use crate::catalogue::Language;
use crate::fit::fit;
use crate::ids;
use crate::reply::Reply;

/// For one change of the message.
const LONGEST: Duration = Duration::from_secs(30);
/// Somebody who deletes the message again and again does not want to see it.
const MOST_POSTS: u32 = 3;
/// Discord's error codes (Discord documentation, "JSON Error Codes").
const UNKNOWN_MESSAGE: u64 = 10_008;

/// A message of the bot, wherever it came from: changed while it is there, posted anew in its channel
/// when somebody deleted it. An interaction's token reaches its answer for 15 minutes, also where the
/// bot may not look; afterwards it is a message as any other.
pub struct Board {
    discord: Discord,
    channel: ChannelId,
    message: Option<MessageId>,
    /// Of the application, and the interaction's.
    token: Option<(u64, String)>,
    posted: u32,
    /// Public address of the API, without a slash at its end.
    api: String,
    /// Of what it says.
    language: Language,
    /// Below a task that has not ended.
    stop: Option<Value>,
}

/// The public address of the API, and the language in which a task is shown.
pub type Shown = (String, Language);

#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// There is no place any more where it could be shown.
    #[error("the message is gone")]
    Gone,
    #[error("the message was not changed")]
    Discord(#[from] DiscordError),
}

impl Board {
    /// A message of the bot that is there already.
    pub fn at(
        discord: &Discord,
        channel: ChannelId,
        message: MessageId,
        (api, language): Shown,
    ) -> Self {
        Self {
            discord: discord.in_lane(Lane::Interactive),
            channel,
            message: Some(message),
            token: None,
            posted: 0,
            api,
            language,
            stop: None,
        }
    }

    /// Posted where it is first shown.
    pub fn new_in(discord: &Discord, channel: ChannelId, (api, language): Shown) -> Self {
        Self {
            discord: discord.in_lane(Lane::Interactive),
            channel,
            message: None,
            token: None,
            posted: 0,
            api,
            language,
            stop: None,
        }
    }

    /// The answer of a command.
    pub fn of_answer(discord: &Discord, cx: Context<'_>, reply: &Reply, shown: Shown) -> Self {
        let (channel, message) = (ids::channel(reply.channel), ids::message(reply.message));
        let mut board = Self::at(discord, channel, message, shown);
        if let Context::Application(application) = cx {
            let serenity::CommandInteraction {
                application_id,
                token,
                ..
            } = application.interaction;
            board.token = Some((application_id.get(), token.clone()));
        }
        board
    }

    /// With a button below the task until it ends.
    #[must_use]
    pub fn with_stop(mut self, button: Value) -> Self {
        self.stop = Some(button);
        self
    }

    pub fn language(&self) -> Language {
        self.language
    }

    pub fn channel(&self) -> ChannelId {
        self.channel
    }

    /// Puts `body` in place of what is shown.
    ///
    /// # Errors
    /// See [`BoardError`].
    pub async fn show(&mut self, body: &Value) -> Result<(), BoardError> {
        self.show_with(body, None).await
    }

    /// The same with a file, in place of those that are there.
    ///
    /// # Errors
    /// See [`BoardError`].
    pub async fn show_with(
        &mut self,
        body: &Value,
        file: Option<&Upload>,
    ) -> Result<(), BoardError> {
        let mut body = body.clone();
        fit(&mut body);
        if let Some(file) = file {
            body["attachments"] = json!([{"id": 0, "filename": file.filename}]);
        }
        let shown = (&body, file);
        if let Some((application, token)) = &self.token {
            let path = format!("/webhooks/{application}/{token}/messages/@original");
            match self.put(path, shown).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_transient() || error.is_ambiguous() => {
                    return Err(error.into());
                }
                Err(error) => {
                    self.token = None;
                    if error.code() == Some(UNKNOWN_MESSAGE) {
                        self.message = None;
                    }
                }
            }
        }
        if let Some(message) = self.message {
            let path = format!("/channels/{}/messages/{message}", self.channel);
            match self.put(path, shown).await {
                Ok(()) => return Ok(()),
                Err(error) if error.code() == Some(UNKNOWN_MESSAGE) => self.message = None,
                Err(error) if is_closed(&error) => return Err(BoardError::Gone),
                Err(error) => return Err(error.into()),
            }
        }
        self.post(shown).await
    }

    async fn put(&self, path: String, shown: Content<'_>) -> Result<(), DiscordError> {
        let put = self.discord.patch(path).idempotent(true);
        with(put, shown).send_empty().await
    }

    async fn post(&mut self, shown: Content<'_>) -> Result<(), BoardError> {
        if self.posted >= MOST_POSTS {
            return Err(BoardError::Gone);
        }
        let path = format!("/channels/{}/messages", self.channel);
        match with(self.discord.post(path), shown).send().await {
            Ok(message) => {
                self.posted += 1;
                self.message = snowflake::typed(&message["id"]);
                Ok(())
            }
            Err(error) if is_closed(&error) => Err(BoardError::Gone),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a message says, and the file beside it.
type Content<'a> = (&'a Value, Option<&'a Upload>);

fn with(request: Request, (body, file): Content<'_>) -> Request {
    let request = request.longest_wait(LONGEST);
    match file {
        Some(file) => request.form(body, std::slice::from_ref(file)),
        None => request.json(body),
    }
}

/// The bot cannot write there, and trying again would not help.
fn is_closed(error: &DiscordError) -> bool {
    error.is_not_found() || error.is_forbidden()
}

#[async_trait]
impl Canvas for Board {
    async fn draw(&mut self, picture: &Picture, note: Option<Note>) -> Result<(), BoardError> {
        let mut body = picture.body(self.language, &self.api, note);
        if let Some(stop) = self.stop.as_ref().filter(|_| !picture.state.is_terminal())
            && let Some(row) = body["components"][0]["components"].as_array_mut()
        {
            row.push(stop.clone());
        }
        self.show(&body).await
    }
}

#[cfg(test)]
mod tests {
    use splashtail_core::clock::SystemClock;
    use wiremock::matchers::{method, path};
    use wiremock::{Mock, MockServer, ResponseTemplate};

    use super::*;

    async fn board(server: &MockServer, token: Option<&str>) -> Board {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let address = server.uri().parse().unwrap();
        let discord = Discord::new(&address, &address, &"token".into(), SystemClock::shared());
        let (channel, message) = (ChannelId::new(5).unwrap(), MessageId::new(6).unwrap());
        let mut board = Board::at(
            &discord.unwrap(),
            channel,
            message,
            (String::new(), Language::English),
        );
        board.token = token.map(|token| (7, token.to_owned()));
        board
    }

    async fn answers(server: &MockServer, verb: &str, at: &str, status: u16, body: Value) {
        Mock::given(method(verb))
            .and(path(format!("/api/v10{at}")))
            .respond_with(ResponseTemplate::new(status).set_body_json(body))
            .mount(server)
            .await;
    }

    fn refused(code: u64) -> Value {
        json!({"code": code, "message": "no"})
    }

    #[tokio::test]
    async fn an_expired_token_gives_way_to_the_message() {
        let server = MockServer::start().await;
        let original = "/webhooks/7/t/messages/@original";
        answers(&server, "PATCH", original, 401, refused(50_027)).await;
        answers(
            &server,
            "PATCH",
            "/channels/5/messages/6",
            200,
            json!({"id": "6"}),
        )
        .await;
        let mut board = board(&server, Some("t")).await;
        board.show(&json!({"content": "a"})).await.unwrap();
        board.show(&json!({"content": "b"})).await.unwrap();
        assert_eq!(server.received_requests().await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_deleted_message_is_posted_anew_but_not_for_ever() {
        let server = MockServer::start().await;
        for message in [6, 8] {
            let at = format!("/channels/5/messages/{message}");
            answers(&server, "PATCH", &at, 404, refused(UNKNOWN_MESSAGE)).await;
        }
        answers(
            &server,
            "POST",
            "/channels/5/messages",
            200,
            json!({"id": "8"}),
        )
        .await;
        let mut board = board(&server, None).await;
        for _ in 0..MOST_POSTS {
            board.show(&json!({"content": "a"})).await.unwrap();
        }
        let gone = board.show(&json!({"content": "a"})).await;
        assert!(matches!(gone, Err(BoardError::Gone)), "{gone:?}");
    }

    #[tokio::test]
    async fn a_file_goes_in_place_of_those_that_are_there() {
        let server = MockServer::start().await;
        let at = "/channels/5/messages/6";
        answers(&server, "PATCH", at, 200, json!({"id": "6"})).await;
        let mut board = board(&server, None).await;
        let file = Upload {
            filename: "people.txt".to_owned(),
            bytes: "everybody".into(),
        };
        let body = json!({"content": "a"});
        board.show_with(&body, Some(&file)).await.unwrap();
        let sent = server.received_requests().await.unwrap().remove(0).body;
        let sent = String::from_utf8(sent).unwrap();
        let attachments = r#""attachments":[{"id":0,"filename":"people.txt"}]"#;
        assert!(sent.contains(attachments), "{sent}");
        assert!(sent.contains("everybody"), "{sent}");
    }

    #[tokio::test]
    async fn a_channel_that_is_closed_to_the_bot_ends_it() {
        let server = MockServer::start().await;
        let at = "/channels/5/messages/6";
        answers(&server, "PATCH", at, 403, refused(50_001)).await;
        let mut board = board(&server, None).await;
        let gone = board.show(&json!({"content": "a"})).await;
        assert!(matches!(gone, Err(BoardError::Gone)), "{gone:?}");
    }
}
