//! Events of the gateway on their way into the engine.

use std::sync::Arc;

use async_trait::async_trait;
use serde::Deserialize;
use splashtail_guild::Id;
use splashtail_raid::{Exempt, HOUR, Moment, StreamKind};

use super::arrivals::{Asking, Member, Message, moment};
use super::service::Watch;
use crate::events::{Event, EventKind, EventKinds, Listener};
use crate::guilds::GuildView;

/// Everybody was called: a crowd has a reason for so long.
const CALLED: u64 = 2 * HOUR;

#[derive(Deserialize)]
struct OfUser {
    user: OnlyId,
}

#[derive(Deserialize)]
struct OnlyId {
    id: Id,
}

pub(super) struct Ear(pub(super) Arc<Watch>);

#[async_trait]
impl Listener for Ear {
    fn kinds(&self) -> EventKinds {
        EventKinds::of(&[
            EventKind::GuildMemberAdd,
            EventKind::GuildMemberUpdate,
            EventKind::GuildMemberRemove,
            EventKind::GuildBanAdd,
            EventKind::GuildJoinRequestCreate,
            EventKind::GuildUpdate,
            EventKind::GuildGone,
            EventKind::MessageCreate,
            EventKind::Gap,
        ])
    }

    async fn on_event(&self, event: &Event, guild: &GuildView) -> anyhow::Result<()> {
        let watch = &self.0;
        let server = match event.kind {
            // Of who comes the engine has to know what is usual.
            EventKind::GuildMemberAdd | EventKind::GuildJoinRequestCreate | EventKind::Gap => {
                watch.load(guild).await
            }
            // Where nobody came nothing else is of interest.
            _ => match watch.server(guild.id()) {
                Some(server) => server,
                None => return Ok(()),
            },
        };
        server.see(guild);
        watch.follow_wishes(&server);
        match event.kind {
            EventKind::GuildMemberAdd => {
                let member: Member = event.decode()?;
                let trust = watch.protection.policy(guild.id());
                let facts = guild.facts();
                let arrival = member.arrives(guild.id(), &facts, trust.as_ref(), watch.now());
                watch.tell(&server, |engine| {
                    engine.set_members(facts.member_count);
                    engine.arrived(StreamKind::Joins, &arrival)
                });
                server.state().unsaved = true;
                let took = watch.clock.monotonic().saturating_sub(event.received);
                metrics::histogram!("bot_raid_decision_seconds").record(took);
            }
            EventKind::GuildJoinRequestCreate => {
                let Asking { request } = event.decode()?;
                let Some(user) = &request.user else {
                    return Ok(());
                };
                let at = request.created_at.map_or_else(|| watch.now(), moment);
                let arrival = user.arrives(at, Exempt::No);
                watch.tell(&server, |engine| {
                    engine.note_request(user.id, request.id);
                    engine.arrived(StreamKind::Requests, &arrival)
                });
                server.state().unsaved = true;
            }
            EventKind::GuildMemberUpdate => {
                let member: Member = event.decode()?;
                let trust = watch.protection.policy(guild.id());
                let exempt = member.exempt(guild.id(), &guild.facts(), trust.as_ref());
                let (user, now) = (member.user.id, watch.now());
                watch.tell(&server, |engine| {
                    let mut effects = engine.exempted(user, exempt, now);
                    if !member.pending {
                        effects.extend(engine.screened(user, now));
                    }
                    if !member.roles.is_empty() {
                        effects.extend(engine.got_role(user, now));
                    }
                    effects
                });
            }
            EventKind::GuildMemberRemove => {
                let OfUser { user } = event.decode()?;
                watch.tell(&server, |engine| {
                    engine.left(user.id);
                    Vec::new()
                });
            }
            EventKind::GuildBanAdd => {
                let OfUser { user } = event.decode()?;
                watch.tell(&server, |engine| {
                    engine.saw_ban(user.id);
                    Vec::new()
                });
            }
            EventKind::GuildUpdate => watch.look_at(&server),
            EventKind::GuildGone => {
                watch.write_one(&server).await;
                watch.forget(guild.id());
            }
            EventKind::MessageCreate => {
                let message: Message = event.decode()?;
                if message.is_of_nobody() {
                    return Ok(());
                }
                let at = Moment::of(message.id);
                if message.mention_everyone {
                    server.ask(|engine| {
                        engine.set_cause(at.plus(CALLED));
                        Vec::new()
                    });
                }
                let (user, text) = (message.author.id, message.key());
                watch.tell(&server, |engine| engine.spoke(user, text, at));
            }
            EventKind::Gap => {
                if let Some(gap) = event.gap() {
                    watch.catch_up(&server, gap);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
