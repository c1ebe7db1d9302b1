//! The cases of the restore matrix (section 6), each with the tests that hold it. A test that is renamed or
//! removed is missed here.

const PLANS: &str = concat!(
    include_str!("../../../crates/guild/tests/plans/attack.rs"),
    include_str!("../../../crates/guild/tests/plans/channels.rs"),
    include_str!("../../../crates/guild/tests/plans/hidden.rs"),
    include_str!("../../../crates/guild/tests/plans/roles.rs"),
    include_str!("../../../crates/guild/tests/plans/server.rs"),
);
const PLAN_CASES: &str = include_str!("../../../crates/guild/tests/cases.rs");
const OCCURRENCES: &str = include_str!("../../../crates/guild/src/plan/occurrence.rs");
const CREATIONS: &str = include_str!("../../../crates/discord/tests/ensure/creations.rs");
const MEMBERS: &str = include_str!("../../../crates/discord/tests/ensure/members.rs");
const HOOKS: &str = include_str!("../../../crates/discord/tests/ensure/webhooks.rs");
const RESTORE: &str = concat!(
    include_str!("restore/approval.rs"),
    include_str!("restore/killed.rs"),
    include_str!("restore/losses.rs"),
    include_str!("restore/messages.rs"),
);
const KINDS: &str = include_str!("kinds.rs");
const ROLES: &str = include_str!("members.rs");
const COVERAGE: &str = include_str!("coverage.rs");
const JUDGE: &str = include_str!("../../src/carry_out/judge.rs");
const WAITING: &str = include_str!("../../src/carry_out/waiting.rs");
const DEPARTED: &str = include_str!("../../src/carry_out/departed.rs");
const RENDER: &str = include_str!("../../src/restore/messages/render/mod.rs");
const PEOPLE: &str = include_str!("../../src/restore/people/tests.rs");

/// Number, file and test.
const CASES: [(u8, &str, &str); 39] = [
    (1, PLANS, "twins_are_paired_by_rank"),
    (2, PLAN_CASES, "odd_names_stay_as_they_are"),
    (
        3,
        PLAN_CASES,
        "gaps_and_ties_of_positions_are_no_difference",
    ),
    (
        4,
        PLANS,
        "roles_above_the_bot_and_bits_it_lacks_stay_and_are_named",
    ),
    (5, RESTORE, "a_long_limit_holds_up_only_what_it_concerns"),
    (
        6,
        PLANS,
        "roles_above_the_bot_and_bits_it_lacks_stay_and_are_named",
    ),
    (7, PLANS, "long_lists_of_overwrites_are_put_one_by_one"),
    (8, DEPARTED, "only_what_is_for_members_is_set_apart"),
    (8, RESTORE, "an_overwrite_for_nobody_costs_no_channel"),
    (9, PLANS, "full_categories_take_as_many_as_fit"),
    (
        10,
        PLAN_CASES,
        "more_channels_than_a_server_holds_are_named_before_anything_is_made",
    ),
    (11, PLANS, "hidden_channels_are_left_alone_and_named"),
    (12, PLANS, "five_moves_are_five_edits_and_one_order"),
    (13, COVERAGE, "channels_that_cannot_be_read_are_named"),
    (
        14,
        PLANS,
        "a_community_comes_between_plain_channels_and_those_that_need_it",
    ),
    (15, JUDGE, "one_refusal_is_no_reason_to_stop"),
    (
        16,
        PLAN_CASES,
        "without_administrator_a_community_becomes_plain",
    ),
    (17, KINDS, "threads_and_posts_come_back_with_what_was_said"),
    (18, PLANS, "edited_tags_go_by_the_ids_that_the_forum_has"),
    (19, KINDS, "threads_and_posts_come_back_with_what_was_said"),
    (20, WAITING, "only_what_depends_on_it_waits"),
    (20, RESTORE, "a_long_limit_holds_up_only_what_it_concerns"),
    (20, PLAN_CASES, "emojis_that_move_have_places_of_their_own"),
    (21, RENDER, "what_a_webhook_cannot_post_is_told"),
    (
        22,
        PLAN_CASES,
        "the_rule_that_a_community_has_once_is_edited",
    ),
    (
        23,
        PLAN_CASES,
        "a_channel_leaves_the_defaults_before_it_is_hidden",
    ),
    (
        24,
        OCCURRENCES,
        "an_event_of_yesterday_comes_again_or_is_over",
    ),
    (25, CREATIONS, "resumed_creations_are_looked_up_first"),
    (25, RESTORE, "a_jobserver_that_dies_makes_nothing_twice"),
    (26, RESTORE, "messages_come_back_in_order_and_once"),
    (
        26,
        HOOKS,
        "a_message_that_is_finished_later_is_not_posted_again",
    ),
    (27, RESTORE, "messages_come_back_in_order_and_once"),
    (28, PEOPLE, "bans_go_by_their_reason"),
    (28, MEMBERS, "bulk_bans_go_by_two_hundred_and_lose_nothing"),
    (28, ROLES, "members_are_put_right_and_bans_when_chosen"),
    (29, PEOPLE, "a_booster_keeps_the_boosters_role"),
    (30, RESTORE, "an_approved_plan_is_run_and_no_other"),
    (30, PLANS, "later_changes_by_others_are_asked_about"),
    (30, RESTORE, "modes_decide_what_may_change"),
];

#[test]
fn every_case_has_its_test() {
    for case in 1..=30 {
        assert!(
            CASES.iter().any(|(number, ..)| *number == case),
            "case {case}"
        );
    }
    for (case, file, test) in CASES {
        let found = file.find(&format!("fn {test}()"));
        let found = found.unwrap_or_else(|| panic!("case {case}: {test} is gone"));
        // Its attribute stands right above, perhaps with others.
        let above: Vec<&str> = file[..found].lines().rev().take(4).collect();
        let is_test = above.iter().any(|line| {
            let line = line.trim();
            line == "#[test]" || line.starts_with("#[tokio::test")
        });
        assert!(is_test, "case {case}: {test} is no test any more");
    }
}
