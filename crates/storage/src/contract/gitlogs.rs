use splashtail_core::ids::ChannelId;
use uuid::Uuid;

use super::*;
use crate::gitlogs::{
    Added, GitAct, GitHook, GitRepo, GitRule, Heard, MOST_GIT_HOOKS, MOST_GIT_REPOS,
    MOST_GIT_RULES, NewDelivery, Told,
};

contract!(
    hooks_repositories_and_rules_are_bounded_and_go_together,
    of_one_hook_one_thing_is_told_at_a_time,
    what_was_told_goes_with_its_age,
);

const MINUTE: Duration = Duration::from_secs(60);

fn id(id: u128) -> Uuid {
    Uuid::from_u128(id)
}

fn channel(id: u64) -> ChannelId {
    ChannelId::new(id).unwrap()
}

fn hook(number: u128) -> GitHook {
    GitHook {
        id: id(number),
        guild: guild(1),
        comment: "ours".to_owned(),
        secret: vec![1, 2],
        created_by: user(1),
        created_at: stored(i64::try_from(number).unwrap()),
    }
}

fn repo(number: u128) -> GitRepo {
    GitRepo {
        id: id(100 + number),
        hook: id(1),
        name: format!("owner/name{number:02}"),
        channel: channel(9),
    }
}

fn rule(number: u128, priority: i32) -> GitRule {
    GitRule {
        id: id(200 + number),
        hook: id(1),
        repo: None,
        events: vec!["push".to_owned(), "issues*".to_owned()],
        act: GitAct::Block,
        priority,
    }
}

fn delivery(number: u128, hook: u128) -> NewDelivery {
    NewDelivery {
        id: id(300 + number),
        hook: id(hook),
        digest: number.to_string(),
        event: "push".to_owned(),
        repo: "owner/name".to_owned(),
        to: Ok(channel(9)),
        body: format!("{{\"n\":{number}}}"),
        at: t(1000),
    }
}

async fn hooks_repositories_and_rules_are_bounded_and_go_together(storage: Storage) {
    let gitlogs = storage.gitlogs();
    for number in 1..=u128::from(MOST_GIT_HOOKS) {
        assert!(gitlogs.add_git_hook(&hook(number)).await.unwrap());
    }
    assert!(!gitlogs.add_git_hook(&hook(9)).await.unwrap());
    let hooks = gitlogs.git_hooks(guild(1)).await.unwrap();
    assert_eq!(hooks[0], hook(1));
    assert_eq!(hooks.len(), 5);
    assert_eq!(gitlogs.git_hook(id(1)).await.unwrap(), Some(hook(1)));

    let foreign = gitlogs.add_git_repo(guild(2), &repo(1)).await.unwrap();
    assert_eq!(foreign, Added::Nowhere);
    for number in 1..=u128::from(MOST_GIT_REPOS) {
        let added = gitlogs.add_git_repo(guild(1), &repo(number)).await.unwrap();
        assert_eq!(added, Added::Added);
        if number == 1 {
            let twice = GitRepo {
                id: id(150),
                ..repo(1)
            };
            let twice = gitlogs.add_git_repo(guild(1), &twice).await.unwrap();
            assert_eq!(twice, Added::Twice);
        }
    }
    // Of all hooks of the guild together.
    let more = GitRepo {
        hook: id(2),
        ..repo(50)
    };
    let full = gitlogs.add_git_repo(guild(1), &more).await.unwrap();
    assert_eq!(full, Added::Full);
    assert_eq!(gitlogs.git_repos(id(1)).await.unwrap()[0], repo(1));

    let of_repo = GitRule {
        repo: Some(repo(1).id),
        act: GitAct::Redirect(channel(8)),
        ..rule(1, 5)
    };
    let nowhere = GitRule {
        repo: Some(id(7)),
        ..rule(2, 1)
    };
    for (guild_id, rule, expected) in [
        (2, rule(2, 1), Added::Nowhere),
        (1, nowhere, Added::Nowhere),
        (1, rule(2, 1), Added::Added),
        (1, of_repo.clone(), Added::Added),
    ] {
        let added = gitlogs.add_git_rule(guild(guild_id), &rule).await.unwrap();
        assert_eq!(added, expected);
    }
    let rules = gitlogs.git_rules(id(1)).await.unwrap();
    assert_eq!(rules, [of_repo, rule(2, 1)]);
    for number in 3..=u128::from(MOST_GIT_RULES) {
        let rule = rule(number, 0);
        let added = gitlogs.add_git_rule(guild(1), &rule).await.unwrap();
        assert_eq!(added, Added::Added);
    }
    let full = gitlogs.add_git_rule(guild(1), &rule(50, 0)).await.unwrap();
    assert_eq!(full, Added::Full);

    // A repository's rules go with it, and all goes with the hook.
    assert!(!gitlogs.remove_git_repo(id(2), repo(1).id).await.unwrap());
    assert!(gitlogs.remove_git_repo(id(1), repo(1).id).await.unwrap());
    assert_eq!(gitlogs.git_rules(id(1)).await.unwrap().len(), 9);
    assert!(gitlogs.remove_git_rule(id(1), id(202)).await.unwrap());
    assert!(!gitlogs.remove_git_rule(id(1), id(202)).await.unwrap());
    gitlogs.note_delivery(&delivery(1, 1)).await.unwrap();
    assert!(!gitlogs.remove_git_hook(guild(2), id(1)).await.unwrap());
    assert!(gitlogs.remove_git_hook(guild(1), id(1)).await.unwrap());
    assert_eq!(gitlogs.git_repos(id(1)).await.unwrap(), []);
    assert_eq!(gitlogs.git_rules(id(1)).await.unwrap(), []);
    assert_eq!(gitlogs.delivery(id(301)).await.unwrap(), None);
}

async fn of_one_hook_one_thing_is_told_at_a_time(storage: Storage) {
    let gitlogs = storage.gitlogs();
    for number in [1, 2] {
        assert!(gitlogs.add_git_hook(&hook(number)).await.unwrap());
    }
    for (number, of) in [(1, 1), (2, 1), (3, 2)] {
        let heard = gitlogs.note_delivery(&delivery(number, of)).await.unwrap();
        assert_eq!(heard, Heard::New);
    }
    let again = NewDelivery {
        id: id(399),
        ..delivery(1, 1)
    };
    let again = gitlogs.note_delivery(&again).await.unwrap();
    assert_eq!(again, Heard::Again(id(301)));
    let passed = NewDelivery {
        to: Err("a rule".to_owned()),
        ..delivery(4, 1)
    };
    assert_eq!(gitlogs.note_delivery(&passed).await.unwrap(), Heard::New);
    let nobodys = gitlogs.note_delivery(&delivery(5, 7)).await.unwrap();
    assert_eq!(nobodys, Heard::NoHook);

    let take = async || {
        let taken = gitlogs.take_delivery(MINUTE).await.unwrap();
        taken.map(|taken| (taken.id, taken.attempt))
    };
    let mut first = [take().await.unwrap(), take().await.unwrap()];
    first.sort_unstable();
    assert_eq!(first, [(id(301), 1), (id(303), 1)]);
    assert_eq!(take().await, None, "the second one waits for the first");
    let once_more = Told::Again(Duration::ZERO, "slow".to_owned());
    gitlogs.told(id(301), &once_more).await.unwrap();
    assert_eq!(take().await, Some((id(301), 2)));
    let failed = Told::Failed("gone".to_owned());
    gitlogs.told(id(301), &failed).await.unwrap();
    assert_eq!(take().await, Some((id(302), 1)));
    gitlogs.told(id(302), &Told::Sent).await.unwrap();
    gitlogs.told(id(303), &Told::Sent).await.unwrap();
    assert_eq!(take().await, None);

    let listed = gitlogs.deliveries(id(1), None, 2).await.unwrap();
    let shown = listed
        .iter()
        .map(|row| (row.id, row.state.as_str(), row.outcome.as_deref()));
    assert_eq!(
        shown.collect::<Vec<_>>(),
        [
            (id(304), "passed", Some("a rule")),
            (id(302), "sent", Some(""))
        ]
    );
    let rest = gitlogs.deliveries(id(1), Some(listed[1].number), 9).await;
    let rest = rest.unwrap();
    assert_eq!((rest[0].id, rest[0].state.as_str()), (id(301), "failed"));
    assert_eq!(rest.len(), 1);
}

async fn what_was_told_goes_with_its_age(storage: Storage) {
    let gitlogs = storage.gitlogs();
    assert!(gitlogs.add_git_hook(&hook(1)).await.unwrap());
    for number in [1, 2] {
        gitlogs.note_delivery(&delivery(number, 1)).await.unwrap();
    }
    gitlogs.told(id(301), &Told::Sent).await.unwrap();
    assert_eq!(gitlogs.purge_deliveries(MINUTE).await.unwrap(), 1);
    assert_eq!(gitlogs.delivery(id(301)).await.unwrap(), None);
    let waits = gitlogs.delivery(id(302)).await.unwrap().unwrap();
    assert_eq!(waits.state, "waiting");
}
