# /setup, /health and the first message in a server.

greeting-title = Thank you for adding AntiRaid
greeting-text = From now on everything that looks like an attack on **{ $server }** from within is judged and written down, and nothing is done about it yet: this is a dry run. The owner goes through what is left to decide with `/setup`, and sees what is wrong with `/health`.

setup-title = Setting up: { $step } ({ $number } of { $of })
setup-step-permissions = What I may do
setup-step-sight = What I can see
setup-step-position = Where my role stands
setup-step-alerts = Where alerts go
setup-step-limits = How much is normal
setup-step-mode = Stopping attacks
setup-go = Go to a step
setup-again = Check again
setup-next = Next
setup-pass = Go on without
setup-anew = Begin anew
setup-owner = Only the owner of the server can change this.
setup-not-yours = This is for the owner and for whoever may manage the server.
setup-discord-forbids = Discord does not let me do that: I lack the permission. See `/health`.

setup-permissions-administrator = I have **Administrator**, so I lack nothing. It is more than I need: whoever gets hold of me gets hold of everything. You can take it away and give me what my modules ask for; `/health` tells whether something is missing then.
setup-permissions-done = I have every permission that my modules here ask for, and not Administrator.
setup-permissions = For what is switched on here I lack:
setup-permissions-ways = *Give what is lacking* asks Discord for exactly this, on top of what I have. *Administrator instead* gives all there is: nothing can be missing and I see every channel, but whoever gets hold of me gets hold of everything. It is never needed.
setup-invite = Give what is lacking
setup-invite-all = Administrator instead

setup-sight-done = I see all { $channels } channels.
setup-sight = { $hidden } of { $channels } channels are hidden from me. Nothing in them is saved, and what happens there to messages and webhooks cannot be stopped:
setup-sight-ways = Let { $role } view those channels or their categories (channel settings, Permissions). What shall stay hidden can stay so: I then never touch it.

setup-position-done = No role above mine can do harm.
setup-position = Whoever has one of these roles can do harm, and I cannot stop them, because the roles stand above mine: { $roles }
setup-position-ways = Move { $role } above them: Server settings, Roles. Discord lets nobody else do that for you.

setup-alerts = Choose a channel that only staff can read. Where protection is on, the owner also hears of every attack in private.
setup-alerts-none = Nobody is told of attacks yet.
setup-alerts-gone = The channel for alerts is gone, or hidden from me.
setup-alerts-mute = In { $channel } I lack: { $permissions }.
setup-alerts-fine = Alerts go to { $channel }.
setup-choose-channel = Choose a channel for alerts
setup-make-channel = Make a private channel
setup-channel-name = antiraid-alerts
setup-channel-topic = What AntiRaid stopped, or would have
setup-channel-reason = The owner set up where alerts go

setup-limits = How much may somebody do in a short time before it is an attack? Every type of act has a limit within a minute, an hour and a day, which grows with the server; `/limits` shows and changes each. The defaults fit most servers.

setup-mode = In a dry run you see for some days who would be stopped, without anything being done: `/incidents list`. You and I are never stopped; everybody else can be, administrators included.
setup-mode-on = Protection is **on**: attackers lose their roles before the rest is gone.
setup-mode-dry-run = This is a **dry run**: attacks are written down and not stopped.
setup-mode-off = Protection is **off**: nothing is judged.
setup-switch-on = Switch on
setup-switch-dry-run = Dry run

setup-end-title = Everything is set up
setup-end-on = Protection is **on**.
setup-end-dry-run = Protection runs **dry**: look at `/incidents list` in some days, and switch it on with the last step.
setup-end-off = Protection is **off**.
setup-end-passed = You went on without: { $steps }.
setup-end-health = `/health` says at any time what is wrong.

words-in-category = - In { $category }: { $channels }
words-more-channels = { $more ->
    [one] - and { $more } channel more
   *[other] - and { $more } channels more
}
words-more-roles = { $more ->
    [one] { $roles } and { $more } more
   *[other] { $roles } and { $more } more
}
words-own-role = my role

health-fine = All is well
health-advice = All is well, with advice
health-weak = Some things are weak
health-bad = Something is wrong
health-nothing = Protection is on, alerts arrive, and I see all { $channels } channels.
health-timed-out = Somebody timed me out. Until it ends I can stop nobody: end it in the list of members.
health-off = Protection is **off**: attacks are neither seen nor stopped.
health-no-audit-log = I lack **View Audit Log**, so I cannot tell who does what: nobody can be stopped.
health-database = My database does not answer. I go on by what I know, and what you change now may not last.
health-alerts-gone = Alerts go to { $channel }, which is gone or hidden from me: nobody hears of attacks.
health-alerts-mute = Alerts go to { $channel }, where I lack { $permissions }: nobody hears of attacks.
health-no-alerts = There is no channel for alerts.
health-dry-run = Protection runs **dry**: attacks are written down and not stopped.
health-lacking =
    I lack permissions that my modules here ask for:
    { $permissions }
health-role-too-low = I cannot stop whoever has { $roles }: move { $role } above these roles.
health-hidden =
    { $hidden } of { $channels } channels are hidden from me; they are neither saved nor watched:
    { $list }
health-jobserver = The service for backups and restores does not answer. Stopping attacks works without it. The operators of this bot know or will soon.
health-shards = { $down } of { $all } of my connections to Discord are down; they come back by themselves.
health-prune = Whoever may kick members can prune thousands at once. Turn on "Require Administrator to prune" in the server's safety settings.
health-second-factor = Moderators need no second factor: a stolen password is enough. Turn on the requirement in the server's safety settings.
health-speak = Let me write there
