//! Who goes first: in the queue of jobs, and in the lines before Discord's limits.

use splashtail_discord::Lane;
use splashtail_jobs::Priority;

/// Every kind of job declares one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Urgency {
    pub priority: Priority,
    pub lane: Lane,
}

impl Urgency {
    /// It ends what somebody does harm with meanwhile, or makes it good.
    pub const CONTAINMENT: Self = Self {
        priority: Priority::Containment,
        lane: Lane::Containment,
    };
    /// Somebody waits for it to be over.
    pub const AWAITED: Self = Self {
        priority: Priority::Interactive,
        lane: Lane::Interactive,
    };
    /// Somebody has ordered it, and it makes calls for hours.
    pub const LONG: Self = Self {
        priority: Priority::Interactive,
        lane: Lane::Bulk,
    };
}

#[cfg(test)]
mod tests {
    use splashtail_api_types::job_kinds::JOB_KINDS;

    use super::*;
    use crate::backup::CreateBackup;
    use crate::mass_ban::MassBan;
    use crate::prune::MessagePrune;
    use crate::rejoin::RejoinMembers;
    use crate::restore::RestoreBackup;
    use crate::revert::RevertIncident;

    #[test]
    fn what_ends_harm_goes_before_all_else() {
        let declared = [
            (CreateBackup::NAME, CreateBackup::URGENCY),
            (RestoreBackup::NAME, RestoreBackup::URGENCY),
            (RevertIncident::NAME, RevertIncident::URGENCY),
            (MessagePrune::NAME, MessagePrune::URGENCY),
            (MassBan::NAME, MassBan::URGENCY),
            (RejoinMembers::NAME, RejoinMembers::URGENCY),
        ];
        let names = declared.map(|(name, _)| name);
        assert_eq!(names, JOB_KINDS.map(|kind| kind.name), "each kind");
        let contain = declared
            .iter()
            .filter(|(_, urgency)| *urgency == Urgency::CONTAINMENT);
        let contain: Vec<_> = contain.map(|(name, _)| *name).collect();
        assert_eq!(contain, [RevertIncident::NAME, MassBan::NAME]);
        for (name, urgency) in declared {
            let first = urgency.priority == Priority::Containment;
            assert_eq!(first, urgency.lane == Lane::Containment, "{name}");
        }
    }
}
