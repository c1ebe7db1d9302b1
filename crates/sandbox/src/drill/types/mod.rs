//! Bodies of `/ctl/drills`, shared by the server, its client, the command line and the page.

mod acts;
mod order;
mod report;

pub use acts::ActKind;
pub use order::{DrillKind, DrillSettings, NewDrill, Pace, RaidManner, RaidStyle};
pub use report::{
    ActReport, Attackers, Beat, Damage, DeedReport, Defence, DrillEnd, DrillReport, DrillStarted,
    DrillState, DrillTimes, Innocents, Side,
};
