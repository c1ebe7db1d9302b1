//! Roles: which is which, and what the bot may not touch.

use splashtail_guild::permissions::bits;
use splashtail_guild::{Facts, Id, Operation, Why, compare, plan};

use crate::{delete, guild, role};

#[test]
fn twins_are_paired_by_rank() {
    let live = guild(vec![role(20, "Mod", 2, 1), role(21, "Mod", 1, 2)], vec![]);
    let wanted = guild(vec![role(30, "Mod", 5, 1), role(31, "Mod", 4, 2)], vec![]);
    assert!(
        compare(&live, &wanted).is_empty(),
        "gaps in positions mean nothing"
    );
}

#[test]
fn roles_above_the_bot_and_bits_it_lacks_stay_and_are_named() {
    let live = guild(
        vec![
            role(20, "High", 3, 0),
            role(21, "Bot", 2, 0),
            role(22, "Low", 1, 0),
        ],
        vec![],
    );
    let wanted = guild(
        vec![
            role(20, "Higher", 3, 0),
            role(21, "Bot", 2, 0),
            role(22, "Low", 1, 1 << 4 | 1 << 11),
        ],
        vec![],
    );
    let facts = Facts {
        permissions: bits::MANAGE_ROLES | 1 << 11,
        top_role: Some(Id::new(21)),
        owner: false,
    };
    let plan = plan(&live, &wanted, facts, &delete());
    let unable: Vec<_> = plan.unable.iter().map(|u| (u.id.get(), u.why)).collect();
    assert!(unable.contains(&(20, Why::Hierarchy)), "{unable:?}");
    assert!(
        unable.contains(&(22, Why::MissingPermissions(1 << 4))),
        "{unable:?}"
    );
    let Operation::Edit { body, .. } = &plan.effects[0].operation else {
        panic!("{:?}", plan.effects);
    };
    assert_eq!(body["permissions"], (1 << 11).to_string());
    assert_eq!(plan.effects.len(), 1);
}
