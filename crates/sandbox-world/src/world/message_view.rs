//! The message object, ready to be written: lists of a hundred are written straight from the world.

use serde::Serialize;
use serde_json::{Value, json};

use super::users::UserView;
use super::{Attachment, Id, Message, Reaction, SPOILER_FILE, Stamp, World};

/// The message object.
#[derive(Debug, Serialize)]
pub(crate) struct MessageView<'w> {
    #[serde(rename = "type")]
    kind: u8,
    content: &'w str,
    mentions: Vec<UserView<'w>>,
    mention_roles: &'w [Id],
    attachments: Vec<AttachmentView<'w>>,
    embeds: &'w [Value],
    timestamp: Stamp,
    edited_timestamp: Option<Stamp>,
    flags: u64,
    components: &'w [Value],
    id: Id,
    channel_id: Id,
    author: Author<'w>,
    pinned: bool,
    mention_everyone: bool,
    tts: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_reference: Option<&'w Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_snapshots: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    position: Option<u64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    sticker_items: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    poll: Option<&'w Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction_metadata: Option<&'w Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction: Option<&'w Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<ReactionView>,
    /// Null when the message that was replied to is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    referenced_message: Option<Option<Box<MessageView<'w>>>>,
}

impl MessageView<'_> {
    /// Leaves out who reacted how, as search results do.
    pub(crate) fn forget_reactions(&mut self) {
        self.reactions.clear();
    }

    /// Takes away what the message says.
    pub(crate) fn blank(&mut self) {
        (self.content, self.embeds, self.components) = ("", &[], &[]);
        self.attachments.clear();
        self.poll = None;
    }
}

/// Who wrote it: a user, or what a webhook calls itself.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Author<'w> {
    User(UserView<'w>),
    Webhook {
        id: Id,
        username: &'w str,
        avatar: Option<&'w str>,
        discriminator: &'static str,
        public_flags: u32,
        flags: u32,
        bot: bool,
        global_name: (),
        primary_guild: (),
    },
}

/// A file of a message, with freshly signed links.
#[derive(Debug, Serialize)]
struct AttachmentView<'w> {
    id: Id,
    filename: &'w str,
    size: u64,
    url: String,
    proxy_url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content_type: Option<&'w str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'w str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ephemeral: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<u32>,
}

/// A reaction as one viewer gets it.
#[derive(Debug, Serialize)]
struct ReactionView {
    emoji: Value,
    count: usize,
    count_details: Value,
    burst_colors: [(); 0],
    me_burst: bool,
    burst_me: bool,
    burst_count: u32,
    me: bool,
}

impl ReactionView {
    fn of(reaction: &Reaction, viewer: Id) -> Self {
        let count = reaction.users.len();
        Self {
            emoji: reaction.emoji_json(),
            count,
            count_details: json!({"burst": 0, "normal": count}),
            burst_colors: [],
            me_burst: false,
            burst_me: false,
            burst_count: 0,
            me: reaction.users.contains(&viewer),
        }
    }
}

impl World {
    /// The message as `viewer` gets it over REST.
    pub(crate) fn message_view<'w>(&'w self, message: &'w Message, viewer: Id) -> MessageView<'w> {
        let mut view = self.bare_view(message);
        view.reactions = message
            .reactions
            .iter()
            .map(|r| ReactionView::of(r, viewer))
            .collect();
        if matches!(message.kind, 19 | 21)
            && let Some(reference) = &message.reference
        {
            let at = |key: &str| reference[key].as_str()?.parse::<Id>().ok();
            let target = at("channel_id").zip(at("message_id"));
            let target = target.and_then(|(c, m)| self.message(c, m));
            view.referenced_message = Some(target.map(|m| Box::new(self.bare_view(m))));
        }
        view
    }

    /// Without reactions and without the message it replies to.
    pub(super) fn bare_view<'w>(&'w self, message: &'w Message) -> MessageView<'w> {
        let (metadata, older) = match &message.interaction_metadata {
            Some((metadata, older)) => (Some(metadata), older.as_ref()),
            None => (None, None),
        };
        let snapshot = message.snapshot.as_deref();
        let thread = message.thread.and_then(|t| self.channels.get(&t));
        MessageView {
            kind: message.kind,
            content: &message.content,
            mentions: message
                .mentions
                .iter()
                .map(|u| self.user_view(*u))
                .collect(),
            mention_roles: &message.mention_roles,
            attachments: message
                .attachments
                .iter()
                .map(|a| self.attachment_view(message.channel, a))
                .collect(),
            embeds: &message.embeds,
            timestamp: message.id.created(),
            edited_timestamp: message.edited,
            flags: message.flags,
            components: &message.components,
            id: message.id,
            channel_id: message.channel,
            author: self.author(message),
            pinned: message.pinned.is_some(),
            mention_everyone: message.mention_everyone,
            tts: message.tts,
            webhook_id: message.webhook,
            application_id: message.app,
            message_reference: message.reference.as_ref(),
            message_snapshots: snapshot.map(|s| json!([{"message": self.snapshot_json(s)}])),
            position: message.position,
            sticker_items: message
                .stickers
                .iter()
                .filter_map(|s| self.sticker_item(*s))
                .collect(),
            poll: message.poll.as_ref(),
            interaction_metadata: metadata,
            interaction: older,
            thread: thread.map(|t| self.channel_json(t)),
            reactions: Vec::new(),
            referenced_message: None,
        }
    }

    fn author<'w>(&'w self, message: &'w Message) -> Author<'w> {
        if message.webhook.is_none() || message.interaction.is_some() {
            return Author::User(self.user_view(message.author));
        }
        let webhook = self.webhooks.get(&message.author);
        let name = message.author_name.as_deref();
        let avatar = message.author_avatar.as_deref();
        Author::Webhook {
            id: message.author,
            username: name
                .or(webhook.map(|w| w.name.as_str()))
                .unwrap_or("Deleted Webhook"),
            avatar: avatar.or(webhook.and_then(|w| w.avatar.as_deref())),
            discriminator: "0000",
            public_flags: 0,
            flags: 0,
            bot: true,
            global_name: (),
            primary_guild: (),
        }
    }

    fn sticker_item(&self, id: Id) -> Option<Value> {
        let sticker = self.guilds.values().find_map(|g| g.stickers.get(&id))?;
        Some(json!({"id": id, "name": sticker.name, "format_type": sticker.format}))
    }

    /// The attachment object.
    pub fn attachment_json(&self, channel: Id, attachment: &Attachment) -> Value {
        super::value(&self.attachment_view(channel, attachment))
    }

    fn attachment_view<'w>(
        &'w self,
        channel: Id,
        attachment: &'w Attachment,
    ) -> AttachmentView<'w> {
        let url = self.attachment_url(channel, attachment);
        let size = attachment.width.zip(attachment.height);
        AttachmentView {
            id: attachment.id,
            filename: &attachment.filename,
            size: attachment.size,
            proxy_url: url.clone(),
            url,
            content_type: attachment.content_type.as_deref(),
            width: size.map(|s| s.0),
            height: size.map(|s| s.1),
            description: attachment.description.as_deref(),
            ephemeral: attachment.ephemeral,
            flags: attachment.spoiler.then_some(SPOILER_FILE),
        }
    }
}
