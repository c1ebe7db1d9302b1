# Backups and restores: /backups, progress, plans, reports and schedules.

task-title = Task status
task-state = { $icon } Task state: { $state }
task-id = Task ID: { $id }
task-pending = pending
task-running = running
task-completed = completed
task-failed = failed
task-percent = { $bar } { $percent } %
task-left = { $bar } { $percent } %, about { $time } left
time-seconds = { $count } s
time-minutes = { $count } min
time-hours = { $count } h
task-saved = Saved: { $counts }
saved-channels = { $count ->
    [one] { $shown } channel
   *[other] { $shown } channels
}
saved-roles = { $count ->
    [one] { $shown } role
   *[other] { $shown } roles
}
saved-messages = { $count ->
    [one] { $shown } message
   *[other] { $shown } messages
}
saved-attachments = { $count ->
    [one] { $shown } attachment
   *[other] { $shown } attachments
}
saved-size = { $size } MB
task-warnings = { $count ->
    [one] { $count } warning, see Details
   *[other] { $count } warnings, see Details
}
task-details = Details
task-download = Download
task-download-file = Download { $file }
task-download-plan = Download the plan
task-too-long = This message no longer follows the task. `/backups list` shows how it ended.
task-restarting = The bot restarts; the task goes on. `/backups list` shows how it ended.
task-gone = There is no such task in this server any more.
task-no-log = Nothing is written down so far.
task-busy = Another job changes this server right now. Try again when it has ended.
jobs-away = The service that does this is not available right now. Please try again in a minute.
backups-away = The service that runs backups is not available right now. Please try again in a minute.

backups-slash-create = Please run this as the slash command `/backups create`.
backups-slash-restore = Please run this as the slash command `/backups restore`.
backups-title = Backups of this server
backups-none = There are none yet. `/backups create` makes the first one.
backups-no-more = There are no more.
backups-page = Newest first, page { $page }.
backups-line = { $icon } { $state } | created { $at } ({ $since })
backups-line-encrypted = { $icon } { $state } | created { $at } ({ $since }) | encrypted
backups-unknown = { $what } is not the id of a backup of this server. `/backups list` shows them.

option-attachments = Attachments belong to messages: set `messages` to true as well.
option-positive = `{ $option }` has to be at least 1.
option-asset = { $what } is no image of a server. `backup_guild_assets` takes `icon`, `splash` and `banner`, separated by commas, or `none`.
option-allocation = { $what } in `special_allocations` is not of the form `channel=number`.
option-twice = { $channel } occurs twice in `special_allocations`.
option-source = Give either `backup_id`, which `/backups list` shows, or `backup_file`, or `as_of`.
option-as-of = { $what } is no time. `as_of` takes a time such as `2026-11-30 18:05`, in UTC, or how long ago it was, such as `20m` or `1h30m`.
option-mention = { $what } in `{ $option }` is neither an id nor a mention.
option-part = { $what } is no part of a server. `parts` takes { $parts }.

delete-title = Delete a backup
delete-backup = The backup of { $at } would be gone for good.
delete-report = The restore's safety backup and its report, without which it cannot be undone, of { $at } would be gone for good.
delete-running = That backup is still being made. Wait until it has ended.
delete-yes = Delete
delete-no = Keep
delete-kept = It is kept.
delete-done = Backup { $id } is deleted.
delete-refused = Not deleted: { $why }.

restore-title = Restore
restore-plan-title = Restore: the plan
restore-impossible = It cannot be restored: { $why }.
restore-other-plan = This is not the plan that you have looked at ({ $hash }): the server changed meanwhile. Nothing is restored.
restore-ask = Nothing is changed so far. *Restore* asks for the server's name; a safety backup is made first.
restore-undo = Undo
restore-undo-begun = What undoing this changes is being looked at. The plan comes in a message of its own, and nothing is done before somebody says so there.
restore-yes = Restore
restore-no = Cancel
restore-form = Put this server back
restore-type = Type { $server }
restore-wrong-name = That is not the server's name, which is { $server }. Nothing is restored.
restore-nothing = Nothing is restored.
restore-too-old = The plan is too old. Run `/backups restore` again.
restore-begun = The restore has begun.
restore-begun-task = The restore has begun: task `{ $task }`.
restore-already = The restore has begun already.
restore-refused = Not restored: { $why }
restore-guarded = guarded operations are on by now, so others have to agree. Run `/backups restore` again: they are asked.
restore-cancelled = it was cancelled, or given up after a long time.
rejoin-plan-title = Bring people back: the plan
rejoin-count = { $count ->
    [one] **{ $count } person** allowed it and would come back
   *[other] **{ $count } people** allowed it and would come back
}
rejoin-here = { $count ->
    [one] { $count } allowed it and is here
   *[other] { $count } allowed it and are here
}
rejoin-not-consented = { $count ->
    [one] { $count } did not allow it and is left alone
   *[other] { $count } did not allow it and are left alone
}
rejoin-nobody = Nobody is to be brought back. `/members consent` posts a message in which people are asked to allow it.
rejoin-impossible = It cannot be done: { $why }.
rejoin-ask = Nobody is let in so far. They come back without their roles: `/backups restore` with the part `members` gives those.
rejoin-yes = Bring { $count } back
rejoin-no = Cancel
rejoin-nothing = Nobody is brought back.
rejoin-too-old = The plan is too old. Run `/members rejoin` again.
rejoin-begun = People are being brought back.
rejoin-begun-task = People are being brought back: task `{ $task }`.
rejoin-already = It has begun already.
rejoin-refused = Nobody is brought back: { $why }
rejoin-guarded = guarded operations are on by now, so others have to agree. Run `/members rejoin` again: they are asked.
rejoin-cancelled = it was cancelled, or given up after a long time.
consent-title = Shall this server be able to bring you back?
consent-text = If this server is attacked, you may find yourself outside. Allow it, and the server can let you back in. It is asked for on a page that says what it means: it is for this server alone, nobody learns anything more about you, and you take it back there at any time.
consent-button = Read it and decide
consent-no-application = Nobody can be asked here: whoever runs this bot has to set `discord_auth.client_id` and `discord_auth.client_secret`.

plan-make = { $kind }: make { $count }
plan-change = { $kind }: change { $count }
plan-delete = { $kind }: delete { $count }
plan-permissions = { $kind }: permissions of { $count }
plan-order = { $kind }: order { $count }
plan-head-make = { $count } to make
plan-head-change = { $count } to change
plan-head-delete = { $count } to delete
plan-head-members = { $count } for members
plan-head-ban = { $count } to ban
plan-head-free = { $count ->
    [one] { $count } ban to lift
   *[other] { $count } bans to lift
}
plan-head-nothing = Nothing has to be done
plan-head-left = { $count ->
    [one] { $count } left as it is
   *[other] { $count } left as they are
}
plan-head-time = { $line }; it takes { $time } at least
kind-guild = server settings
kind-role = role
kind-channel = channel
kind-thread = thread
kind-emoji = emoji
kind-sticker = sticker
kind-sound = sound
kind-automod-rule = AutoMod rule
kind-scheduled-event = event
kind-widget = widget
kind-welcome-screen = welcome screen
kind-onboarding = onboarding
kind-webhook = webhook
kind-invite = invite
kind-member = member
kind-ban = ban
coverage-seen = { $count ->
    [one] { $count } channel, all that the bot can see
   *[other] All { $count } channels that the bot can see
}
coverage-part = { $count ->
    [one] { $visible } of { $count } channel
   *[other] { $visible } of { $count } channels
}
coverage-hidden = { $count ->
    [one] { $count } is hidden from the bot
   *[other] { $count } are hidden from the bot
}
coverage-permission = { $count } cannot be read
coverage-unknown-kind = { $count ->
    [one] { $count } is of an unknown kind
   *[other] { $count } are of unknown kinds
}
coverage-refused = { $count ->
    [one] { $count } was left out after an error
   *[other] { $count } were left out after errors
}
coverage-threads = { $count ->
    [one] { $count } has more threads than were saved
   *[other] { $count } have more threads than were saved
}
coverage-private = { $count } may have private threads that the bot cannot see
coverage-more = { $count ->
    [one] { $count } more has gaps
   *[other] { $count } more have gaps
}
coverage-attachments = { $count ->
    [one] { $count } attachment was not saved
   *[other] { $count } attachments were not saved
}
coverage-files = { $count ->
    [one] { $count } picture or sound was not saved
   *[other] { $count } pictures or sounds were not saved
}

schedule-title = Scheduled backups
schedule-stored = It is stored.
schedule-told = When one fails or is late, it is told where alerts go: `/protection alerts`. Scheduled backups have no password.
schedule-stays = Whatever number and age say, the newest whole backup stays, and the newest from before each incident of the last 30 days or that is still open. One with less than three quarters of the channels that were saved before takes no other's place.
schedule-none = There are none. `/backups schedule add` makes one.
schedule-unknown = { $what } is not the id of a schedule of this server. `/backups schedule list` shows them.
schedule-removed = `{ $id }` is removed. The backups that it made stay.
schedule-line = `{ $cron }` UTC, { $next }, keeps { $keeps }
schedule-next = next { $at } ({ $when })
schedule-never = never again
schedule-keeps-all = all
schedule-keeps-newest = the newest { $count }
schedule-keeps-days = { $days ->
    [one] { $days } day
   *[other] { $days } days
}
schedule-keeps-both = the newest { $count }, at most { $days ->
    [one] { $days } day
   *[other] { $days } days
}
schedule-failed = A scheduled backup was not made: { $why }.
schedule-fallen = The scheduled backup holds less than three quarters of the channels that the ones before it hold: the server was torn down, or the bot sees little of it. What was made before stays.
schedule-late = The backup of { $due } is late: the service that makes backups does not run. It is made as soon as that runs again.
schedule-see = `/backups schedule list` shows `{ $id }`.
