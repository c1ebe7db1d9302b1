# Crowds of newcomers: cards, answers and reasons.

raid-title = Raids
raid-title-raid = Raid: { $count } accounts in { $seconds } s, normally { $usual }
raid-title-wave = Many newcomers: { $count } in { $seconds } s, normally { $usual }
raid-title-dry = Dry run · { $said }
raid-title-over = Over · { $said }
raid-title-dismissed = Let in · { $said }
raid-counts = Raiders: { $raiders } · may be raiders: { $suspects } · others who came: { $others }
raid-regular = They came like clockwork, as a program does
raid-nothing-done = Nothing was done: this is a dry run
raid-paused = Invites are paused until { $until }
raid-level-phone = Newcomers without a role need a phone number to write
raid-level-minutes = Newcomers without a role may write after ten minutes
raid-done = Banned: { $banned } · held: { $held }
raid-refused = { $count ->
    [one] { $count } request to be let in was refused
   *[other] { $count } requests to be let in were refused
}
raid-spared = { $count ->
    [one] { $count } account could not be touched: it stands above me, or is exempt
   *[other] { $count } accounts could not be touched: they stand above me, or are exempt
}
raid-waiting = { $count ->
    [one] { $count } raider waits for your word
   *[other] { $count } raiders wait for your word
}
raid-late = { $count ->
    [one] { $count } account came while I heard nothing
   *[other] { $count } accounts came while I heard nothing
}
raid-stopped = The bans ended early: { $why }
raid-approved = Bans approved by { $who }
raid-approved-policy = Bans approved by your policy
raid-let-in-by = Let in by { $who }
raid-refused-pause = Invites cannot be paused: { $why }
raid-refused-unpause = The pause of invites cannot be ended: { $why }
raid-refused-level = The verification level cannot be raised, so people are held one by one: { $why }
raid-refused-level-back = The verification level cannot be put back: { $why }
raid-refused-release = Somebody cannot be released: { $why }
raid-refused-lift = Bans cannot be lifted: { $why }
raid-job-gone = the job is not there any more
raid-cut = More came than the { $most } that are listed
raid-foot = Wave { $id }
raid-button-ban = Ban { $count }
raid-button-hold = Hold { $count }
raid-button-letin = Let all in
raid-button-undo = Undo
raid-button-why = Why?
raid-person = { $who } ({ $fate }): { $reasons }
raid-people-more = … and { $count } more
raid-nobody = Nobody of this wave is taken for a raider.
raid-fate-free = nothing done
raid-fate-held = held
raid-fate-banned = banned
raid-fate-refused = refused
raid-fate-releasing = being let in
raid-fate-letin = let in
raid-fate-spared = out of reach
raid-family = { $what }: { $count } of { $of }, normally { $usual } of 100
raid-family-day = made within a day before coming
raid-family-week = made within a week before coming
raid-family-month = made within a month before coming
raid-family-no-avatar = no picture
raid-family-bare = no picture and nothing else of their own
raid-family-spoke = wrote within five minutes
raid-family-fast-screen = accepted the rules within two seconds
raid-family-shape = named by one pattern
raid-family-avatar = the same picture
raid-family-batch = old accounts made within one day
raid-family-text = wrote the same
raid-family-cluster = names that look alike
raid-reason-trap = wrote where nobody is to write
raid-reason-spammer = marked by Discord once
raid-reason-back = came back after a raid
raid-reason-hold = May belong to a raid: held until somebody decides
raid-reason-release = Does not belong to a raid after all
raid-reason-level = A raid is under way
raid-reason-level-back = The raid is over
raid-reason-ban = { $count ->
    [one] Raid of { $count } account
   *[other] Raid of { $count } accounts
}
raid-reason-ban-by = { $count ->
    [one] Raid of { $count } account, approved by { $by }
   *[other] Raid of { $count } accounts, approved by { $by }
}
raid-reason-undo = It was no raid
raid-none = Nobody came in a crowd lately.
raid-not-latest = Another wave came since. `/raid people` shows the latest; bans of a job are lifted with `/massunban`.
raid-only-dry = This was a dry run, so there is nothing to do or to take back. `/raid mode` switches protection on.
raid-dismissed = This wave was let in already.
raid-guarded = { $count } bans at once need a second person here: run `/massban` with the accounts that `/raid people` names.
raid-said-ban = { $count ->
    [0] Raiders of this wave who still come are banned.
    [one] { $count } raider is being banned, and those who still come.
   *[other] { $count } raiders are being banned, and those who still come.
}
raid-said-hold = Whoever may be a raider is held for an hour.
raid-said-letin = { $bans ->
    [0] Everybody is let in, and invites work again. Nobody of them is suspected for 30 days.
   *[other] Everybody is let in, and invites work again. Bans that still run are stopped, and all are lifted. Nobody of them is suspected for 30 days.
}
raid-said-letin-one = { $who } may stay: what was done about them is taken back, and they are not suspected for 30 days.
raid-said-undo = { $count ->
    [0] What was done is taken back. Nobody was banned.
   *[other] What was done is taken back, and the bans are being lifted.
}
raid-is-off = Raids are not watched for
raid-is-dry = Dry run: raids are told, and nothing is done
raid-is-ask = On: invites are paused and raiders held at once, and banned on your word
raid-is-auto = On: fresh accounts beyond doubt are banned at once, others on your word
raid-alerts = Alerts go to { $channel }
raid-alerts-none = Alerts go nowhere: choose a channel with `/raid alerts`
raid-expects = { $people } people are expected until { $until }
raid-expects-nobody = No crowd is expected any more
raid-usual = Usual at this time: { $usual } an hour
raid-length = Say how long, such as `2h` or `3d`.
weaker-raid-mode = Less is done about raids.
weaker-raid-expected = A crowd is expected for more than a day.
