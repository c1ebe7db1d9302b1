//! Whether somebody may do something to somebody else. Data in, data out.

use chrono::{DateTime, Utc};
use serde_json::Value;
use splashtail_core::ids::UserId;
use splashtail_discord::permissions::{Act, Actor, Denied, Hierarchy, Ruling, Subject, bits};
use splashtail_discord::snowflake::id;

use super::sanction::Kind;
use crate::catalogue::{self, Language};
use crate::text;

/// The server, as far as it matters here: objects as REST has them.
pub(super) struct Ground<'a> {
    pub guild: &'a Value,
    /// The bot's own member.
    pub me: &'a Value,
    /// Whoever wants it; `None` for a rule of the server, or an owner who is not there.
    pub caller: Option<&'a Value>,
    /// `None`: they are no member.
    pub target: Option<&'a Value>,
    pub now: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    Oneself,
    Bot,
    Owner,
    NotThere,
    AboveCaller,
    AboveBot,
    /// These the bot lacks.
    Lacks(u64),
    Unknown,
}

impl Refused {
    pub fn text(self, language: Language) -> String {
        match self {
            Self::Oneself => text!(language, "sanction-oneself"),
            Self::Bot => text!(language, "sanction-bot"),
            Self::Owner => text!(language, "sanction-owner"),
            Self::NotThere => text!(language, "sanction-not-there"),
            Self::AboveCaller => text!(language, "sanction-above-caller"),
            Self::AboveBot => text!(language, "sanction-above-bot"),
            Self::Lacks(lacking) => {
                let set = (0..u64::BITS).filter(|bit| lacking & (1 << bit) != 0);
                let names = set.filter_map(|bit| {
                    let own = catalogue::permission(language, bit);
                    own.or_else(|| bits::names(1 << bit).pop())
                });
                let names = names.collect::<Vec<_>>().join(", ");
                text!(language, "sanction-lacks", names = names)
            }
            Self::Unknown => text!(language, "sanction-unknown"),
        }
    }
}

/// Both the bot and whoever wants it have to stand above the target; who is not there stands nowhere.
pub(super) fn judge(
    kind: Kind,
    (by, target): (Option<UserId>, UserId),
    ground: &Ground<'_>,
) -> Result<(), Refused> {
    let hierarchy = Hierarchy::new(ground.guild).ok_or(Refused::Unknown)?;
    let subject = Subject::new(ground.guild, ground.me, ground.now).ok_or(Refused::Unknown)?;
    let owner = id(&ground.guild["owner_id"]);
    if by == Some(target) {
        return Err(Refused::Oneself);
    }
    if subject.user == target.get() {
        return Err(Refused::Bot);
    }
    if owner == Some(target.get()) {
        return Err(Refused::Owner);
    }
    let me = Actor {
        member: ground.me,
        subject: &subject,
    };
    let act = match (kind, ground.target) {
        (Kind::Kick | Kind::Timeout, None) => return Err(Refused::NotThere),
        (Kind::Kick, Some(member)) => Act::Kick(member),
        (Kind::Timeout, Some(member)) => Act::Timeout(member),
        (Kind::Ban | Kind::TempBan, Some(member)) => Act::Ban(member),
        (Kind::Ban | Kind::TempBan | Kind::Unban, _) => Act::BanStranger(target.get()),
    };
    let by_somebody_else = by.filter(|by| owner != Some(by.get()));
    if let Some((_, member)) = by_somebody_else.zip(ground.target) {
        let caller = ground.caller.ok_or(Refused::Unknown)?;
        let (caller, target) = (hierarchy.rank(caller), hierarchy.rank(member));
        match caller.ok().zip(target.ok()) {
            Some((caller, target)) if caller > target => {}
            Some(_) => return Err(Refused::AboveCaller),
            None => return Err(Refused::Unknown),
        }
    }
    match hierarchy.can_act_on(me, act) {
        Ruling::Allowed => Ok(()),
        Ruling::Denied(Denied::Owner) => Err(Refused::Owner),
        Ruling::Denied(Denied::Lacks(lacking)) => Err(Refused::Lacks(lacking)),
        Ruling::Denied(_) => Err(Refused::AboveBot),
        Ruling::Unknown(_) => Err(Refused::Unknown),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn guild() -> Value {
        let role = |id: &str, position: i64, permissions: u64| {
            json!({"id": id, "position": position,
                   "permissions": permissions.to_string(), "managed": false})
        };
        let mine = bits::BAN_MEMBERS | bits::KICK_MEMBERS | bits::MODERATE_MEMBERS;
        json!({"id": "1", "owner_id": "2", "roles": [
            role("1", 0, 0), role("10", 1, 0), role("30", 5, bits::BAN_MEMBERS),
            role("40", 8, 0), role("50", 7, mine)]})
    }

    fn member(user: u64, roles: &[&str]) -> Value {
        json!({"user": {"id": user.to_string()}, "roles": roles})
    }

    fn user(id: u64) -> UserId {
        UserId::new(id).unwrap()
    }

    fn verdict(
        kind: Kind,
        by: Option<u64>,
        caller: &[&str],
        target: Option<&[&str]>,
    ) -> Option<Refused> {
        let (guild, me) = (guild(), member(99, &["50"]));
        let caller = by.map(|by| member(by, caller));
        let target = target.map(|roles| member(7, roles));
        let ground = Ground {
            guild: &guild,
            me: &me,
            caller: caller.as_ref(),
            target: target.as_ref(),
            now: DateTime::UNIX_EPOCH,
        };
        judge(kind, (by.map(user), user(7)), &ground).err()
    }

    #[test]
    fn both_stand_above_the_target() {
        let of =
            |caller: &[&str], target: &[&str]| verdict(Kind::Ban, Some(3), caller, Some(target));
        assert_eq!(of(&["30"], &["10"]), None);
        assert_eq!(of(&["10"], &["10"]), Some(Refused::AboveCaller), "equals");
        assert_eq!(of(&["40"], &["30"]), None);
        assert_eq!(
            verdict(Kind::Ban, Some(2), &[], Some(&["40"])),
            Some(Refused::AboveBot),
            "the owner may, the bot may not"
        );
        assert_eq!(
            of(&["77"], &["10"]),
            Some(Refused::Unknown),
            "an unknown role"
        );
    }

    #[test]
    fn who_is_not_there_can_be_banned_and_not_kicked() {
        assert_eq!(verdict(Kind::Ban, Some(3), &["10"], None), None);
        assert_eq!(verdict(Kind::Unban, Some(3), &["10"], None), None);
        for kind in [Kind::Kick, Kind::Timeout] {
            assert_eq!(
                verdict(kind, Some(3), &["30"], None),
                Some(Refused::NotThere)
            );
        }
    }

    #[test]
    fn a_rule_needs_nobody_above() {
        assert_eq!(verdict(Kind::Timeout, None, &[], Some(&["30"])), None);
        assert_eq!(
            verdict(Kind::Kick, None, &[], Some(&["40"])),
            Some(Refused::AboveBot)
        );
    }

    #[test]
    fn nobody_does_it_to_themselves_to_the_bot_or_to_the_owner() {
        let (guild, me) = (guild(), member(99, &["50"]));
        let caller = member(3, &["40"]);
        let of = |target| {
            let ground = Ground {
                guild: &guild,
                me: &me,
                caller: Some(&caller),
                target: None,
                now: DateTime::UNIX_EPOCH,
            };
            judge(Kind::Ban, (Some(user(3)), user(target)), &ground).err()
        };
        assert_eq!(of(3), Some(Refused::Oneself));
        assert_eq!(of(99), Some(Refused::Bot));
        assert_eq!(of(2), Some(Refused::Owner));
    }
}
