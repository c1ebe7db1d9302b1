//! What whoever ordered a restore may: no more than when the order was accepted, and no more than
//! Discord lets them now. Who owns a server, what a member may and where they stand can change while
//! an order waits, so it is asked again whenever the order is carried on with.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use splashtail_core::ids::UserId;
use splashtail_discord::permissions::bits;
use splashtail_discord::snowflake::{bit_set, ids};
use splashtail_guild::{Id, Kind, Mapping, Operation, Parts, Reach, Structure, Subject};
use splashtail_jobs::JobError;

use super::options::Fields;
use super::people::OWNER;
use crate::backup::error::{BackupError, Verdict};
use crate::backup::source::Source;
use crate::carry_out::{Guard, Objection};
use crate::look;

/// Who ordered a restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Orderer {
    Member(UserId),
    /// A member whom the order does not name: they may be anybody.
    Unnamed,
    /// The server itself, by its token: nobody whose permissions could be given.
    Server,
    /// Whoever has the bot's token, and with it everything that the bot may.
    Operator,
}

/// What they may.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// Permission bits that they may give; ADMINISTRATOR stands for all.
    pub grants: u64,
    /// Their roles in the server, which say how far they reach; `None`: their rank stands in the way of
    /// nothing.
    pub roles: Option<Vec<Id>>,
    /// They may what only the server's owner may.
    pub owner: bool,
}

impl Rights {
    /// By a server as it was just read. `operator`: orders come from whoever has the bot's token.
    ///
    /// # Errors
    /// Nobody says what they may.
    pub async fn read(
        source: Source<'_>,
        fields: &Fields,
        operator: bool,
        now: &Structure,
    ) -> Result<Self, BackupError> {
        let orderer = orderer(fields, operator);
        let Orderer::Member(user) = orderer else {
            return Ok(Self::of(fields, orderer, now, None));
        };
        if owns(user, now) {
            return Ok(Self::of(fields, orderer, now, None));
        }
        let path = format!("/guilds/{}/members/{user}", fields.server_id);
        let doing = "reading the roles of whoever ordered this";
        let member = match source.object(doing, &path, &[]).await {
            Ok(member) => Some(member),
            // They left.
            Err(error) if error.verdict() == Verdict::Refused => None,
            Err(error) => return Err(error),
        };
        Ok(Self::of(fields, orderer, now, member.as_ref()))
    }

    fn of(fields: &Fields, orderer: Orderer, now: &Structure, member: Option<&Value>) -> Self {
        let accepted = fields.caller_permissions;
        let all = |owner| Self {
            grants: accepted,
            roles: None,
            owner,
        };
        match orderer {
            Orderer::Operator => all(accepted == OWNER),
            Orderer::Server => all(false),
            Orderer::Member(user) if owns(user, now) => all(accepted == OWNER),
            Orderer::Member(_) | Orderer::Unnamed => {
                let roles = ids(&member.unwrap_or(&Value::Null)["roles"]);
                let roles: Vec<Id> = roles.map(Id::new).collect();
                let held = roles.iter().copied().chain([now.id()]);
                let held = held.filter_map(|role| now.get(Kind::Role, role));
                let may = held.fold(0, |all, role| all | bit_set(&role["permissions"]));
                Self {
                    grants: common(accepted, may),
                    roles: Some(roles),
                    owner: false,
                }
            }
        }
    }

    pub fn is_administrator(&self) -> bool {
        self.grants & bits::ADMINISTRATOR != 0
    }

    /// Which of these permissions they may not give.
    pub fn withheld(&self, set: u64) -> u64 {
        match self.is_administrator() {
            true => 0,
            false => set & !self.grants,
        }
    }
}

fn orderer(fields: &Fields, operator: bool) -> Orderer {
    match fields.caller_id {
        Some(user) => Orderer::Member(user),
        None if operator => Orderer::Operator,
        None if fields.caller_permissions == 0 => Orderer::Server,
        None => Orderer::Unnamed,
    }
}

fn owns(user: UserId, now: &Structure) -> bool {
    Id::read(&now.guild()["owner_id"]) == Some(Id::new(user.get()))
}

/// What is in both; ADMINISTRATOR stands for all.
fn common(one: u64, other: u64) -> u64 {
    match (one, other) {
        (all, other) if all & bits::ADMINISTRATOR != 0 => other,
        (one, all) if all & bits::ADMINISTRATOR != 0 => one,
        (one, other) => one & other,
    }
}

/// What a plan leads from and to.
#[derive(Debug, Clone, Copy)]
pub struct Way<'a> {
    pub live: &'a Structure,
    pub wanted: &'a Structure,
    pub mapping: &'a Mapping,
}

/// How they stand when an order is carried on with.
#[derive(Debug)]
pub struct Standing<'a> {
    pub rights: Rights,
    reach: Reach,
    /// As Discord has the server's roles now; `None` where nobody's rank or permissions count.
    now: Option<Structure>,
    way: Way<'a>,
}

impl<'a> Standing<'a> {
    /// # Errors
    /// As those of [`Rights::read`].
    pub async fn read(
        source: Source<'_>,
        fields: &Fields,
        operator: bool,
        way: Way<'a>,
    ) -> Result<Self, BackupError> {
        let orderer = orderer(fields, operator);
        if matches!(orderer, Orderer::Operator | Orderer::Server) {
            let rights = Rights::of(fields, orderer, way.live, None);
            return Ok(Self::of(rights, None, way));
        }
        let path = format!("/guilds/{}", fields.server_id);
        let guild = source.object("reading the server", &path, &[]).await?;
        let now = Structure::from_rest(&guild, Parts::default()).ok_or_else(look::incomplete)?;
        let rights = Rights::read(source, fields, operator, &now).await?;
        Ok(Self::of(rights, Some(now), way))
    }

    fn of(rights: Rights, now: Option<Structure>, way: Way<'a>) -> Self {
        let present = now.as_ref().unwrap_or(way.live);
        let roles = rights.roles.as_deref();
        Self {
            reach: Reach::of(roles, present, way.wanted, way.mapping),
            rights,
            now,
            way,
        }
    }

    /// Whether a role stands at or above their highest one. What was made since does not.
    pub fn outranked_by(&self, role: Id) -> bool {
        let now = self.now.as_ref().filter(|now| now.rank_of(role).is_some());
        now.is_some_and(|now| !self.reach.covers(role, now))
    }

    /// Which permissions of a role, as it is now, they may not give.
    pub fn withheld_of(&self, role: Id) -> u64 {
        let there = self.now.as_ref().and_then(|now| now.get(Kind::Role, role));
        there.map_or(0, |role| {
            self.rights.withheld(bit_set(&role["permissions"]))
        })
    }

    fn touches_higher(&self, operation: &Operation) -> bool {
        let everyone = self.way.live.id();
        let higher = |subject: &Subject| match subject {
            Subject::Live(role) => *role != everyone && self.outranked_by(*role),
            Subject::Wanted(_) => false,
        };
        match operation {
            Operation::Create {
                kind: Kind::Role,
                subject: Subject::Wanted(role),
                ..
            } => !self.reach.covered(*role, self.way.wanted),
            Operation::Edit {
                kind: Kind::Role,
                subject,
                ..
            }
            | Operation::Delete {
                kind: Kind::Role,
                subject,
            } => higher(subject),
            Operation::Reorder {
                kind: Kind::Role,
                positions,
            } => positions.iter().any(|(subject, _)| higher(subject)),
            _ => false,
        }
    }

    fn judge(&self, operation: &Operation) -> Option<Objection> {
        if self.touches_higher(operation) {
            return Some(Objection {
                code: "caller_hierarchy",
                why: "it does not stand below the highest role of whoever ordered this",
            });
        }
        let withheld = self.rights.withheld(operation.gains(self.way.live));
        (withheld != 0).then_some(Objection {
            code: "caller_lacks_permissions",
            why: "by now whoever ordered this may not give its permissions",
        })
    }
}

#[async_trait]
impl Guard for Standing<'_> {
    async fn objection(&self, operation: &Operation) -> Result<Option<Objection>, JobError> {
        Ok(self.judge(operation))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use splashtail_core::ids::GuildId;

    use super::*;

    const MOD: u64 = bits::MANAGE_ROLES | bits::KICK_MEMBERS;

    fn server(owner: u64) -> Structure {
        let role = |id: u64, position: u64, set: u64| {
            json!({"id": id.to_string(), "name": id.to_string(), "position": position,
                   "permissions": set.to_string()})
        };
        let guild = json!({"id": "1", "owner_id": owner.to_string(), "roles": [
            role(1, 0, 1024), role(2, 1, 0), role(3, 2, MOD), role(4, 3, bits::ADMINISTRATOR)]});
        Structure::from_guild(&guild).unwrap()
    }

    fn order(user: Option<u64>, accepted: u64) -> Fields {
        let data = json!({"ServerID": "1", "CallerPermissions": accepted.to_string(),
            "Options": {"BackupSource": "0f8fad5b-d9cb-469f-a165-70867728950e"}});
        let (mut fields, _) = super::super::options::parse(&data, 1, "http://cdn/").unwrap();
        fields.caller_id = user.and_then(UserId::new);
        assert_eq!(GuildId::new(1), Some(fields.server_id));
        fields
    }

    /// In a server of `owner`; the member has these roles, or left.
    fn rights(fields: &Fields, owner: u64, roles: Option<&[u64]>) -> Rights {
        let roles = roles.map(|roles| roles.iter().map(u64::to_string).collect::<Vec<_>>());
        let member = roles.map(|roles| json!({"roles": roles}));
        let orderer = orderer(fields, false);
        Rights::of(fields, orderer, &server(owner), member.as_ref())
    }

    #[test]
    fn a_former_owner_counts_by_what_they_are_now() {
        let fields = order(Some(50), OWNER);
        let owner = rights(&fields, 50, None);
        assert_eq!(
            (owner.grants, &owner.roles, owner.owner),
            (OWNER, &None, true)
        );
        let former = rights(&fields, 51, Some(&[3]));
        assert_eq!(former.grants, MOD | 1024);
        assert_eq!(
            (former.roles, former.owner),
            (Some(vec![Id::new(3)]), false)
        );
        let gone = rights(&fields, 51, None);
        assert_eq!((gone.grants, gone.roles), (1024, Some(Vec::new())));
    }

    #[test]
    fn nobody_gives_what_they_lack_by_now_or_lacked_then() {
        let admin = order(Some(50), bits::ADMINISTRATOR);
        assert_eq!(rights(&admin, 9, Some(&[2])).grants, 1024);
        assert!(rights(&admin, 9, Some(&[4])).is_administrator());
        let kicks = order(Some(50), bits::KICK_MEMBERS);
        assert_eq!(rights(&kicks, 9, Some(&[4])).grants, bits::KICK_MEMBERS);
        // Whoever became the owner meanwhile ordered no more than they could give.
        let owner = rights(&kicks, 50, None);
        assert_eq!((owner.grants, owner.owner), (bits::KICK_MEMBERS, false));
    }

    #[test]
    fn a_member_whom_nobody_names_may_what_everybody_may() {
        let unnamed = rights(&order(None, OWNER), 50, None);
        assert_eq!((unnamed.grants, unnamed.roles), (1024, Some(Vec::new())));
        let token = rights(&order(None, 0), 50, None);
        assert_eq!((token.grants, token.roles), (0, None));
        let fields = order(None, OWNER);
        let operator = Rights::of(&fields, orderer(&fields, true), &server(50), None);
        assert_eq!((operator.grants, operator.owner), (OWNER, true));
    }

    #[test]
    fn what_is_out_of_reach_by_now_is_left() {
        let live = server(50);
        let mapping = splashtail_guild::pair(&live, &live);
        let way = Way {
            live: &live,
            wanted: &live,
            mapping: &mapping,
        };
        let standing = |roles: &[u64]| {
            let rights = rights(&order(Some(60), OWNER), 50, Some(roles));
            Standing::of(rights, Some(server(50)), way)
        };
        let of = |id| Subject::Live(Id::new(id));
        let body = |set: u64| {
            json!({"permissions": set.to_string()})
                .as_object()
                .unwrap()
                .clone()
        };
        let edit = |id, set| Operation::Edit {
            kind: Kind::Role,
            subject: of(id),
            body: body(set),
        };
        let delete = |id| Operation::Delete {
            kind: Kind::Role,
            subject: of(id),
        };
        let sort = |ids: &[u64]| Operation::Reorder {
            kind: Kind::Role,
            positions: ids.iter().zip(1..).map(|(id, at)| (of(*id), at)).collect(),
        };
        let make = |id, set| Operation::Create {
            kind: Kind::Role,
            subject: Subject::Wanted(Id::new(id)),
            body: body(set),
        };
        let code = |roles: &[u64], operation: Operation| {
            let objection = standing(roles).judge(&operation);
            objection.map(|objection| objection.code)
        };
        let (rank, lacks) = (Some("caller_hierarchy"), Some("caller_lacks_permissions"));
        for (operation, expected) in [
            (delete(2), None),
            (delete(3), rank),
            (delete(4), rank),
            (edit(2, MOD), None),
            (edit(2, bits::BAN_MEMBERS), lacks),
            (edit(1, MOD), None),
            (edit(1, bits::BAN_MEMBERS), lacks),
            (sort(&[2]), None),
            (sort(&[2, 3]), rank),
            // Made by the restore since.
            (delete(77), None),
            (make(2, MOD), None),
            (make(2, bits::ADMINISTRATOR), lacks),
            (make(4, 0), rank),
        ] {
            assert_eq!(code(&[3], operation.clone()), expected, "{operation:?}");
        }
        assert_eq!(code(&[4], delete(3)), None);
        assert_eq!(code(&[], delete(2)), rank);
        assert_eq!(standing(&[3]).withheld_of(Id::new(4)), bits::ADMINISTRATOR);
    }
}
