# Protection: commands, alerts and their buttons.

protection-title = Protection
protection-is-on = Protection is **on**: attackers are stopped.
protection-is-dry-run = This is a **dry run**: everything is judged and written down, nothing is done. The owner switches it on with `/protection mode`.
protection-is-off = Protection is **off**.
protection-alerts-to = Alerts go to { $channel }.
protection-no-alerts = There is no channel for alerts: set one with `/protection alerts`.
protection-no-audit-log = I lack **View Audit Log**: without it nobody can be held responsible.
protection-coverage = I see { $seen } of { $all } channels; what happens in the others to messages and webhooks is hidden from me.
protection-trusted = Trusted: { $who }.
protection-now-on = Protection is on.
protection-now-dry-run = Protection judges and writes down, and does nothing.
protection-now-off = Protection is off.
protection-channel-hidden = I cannot see that channel. Let my role view it and send messages there.
protection-trusts = { $who } is trusted: nothing they do is stopped.
protection-trusts-not = { $who } is not trusted.
protection-trusts-enough = At most { $most } can be trusted.
protection-unreadable = I cannot read what was set here before, so I change nothing. Please try again soon.
protection-raced = Somebody changed it at the same time. Please look and try again.
protection-unknown-server = I am still getting to know this server. Please try again soon.
protection-no-token = Protection does not work: there is no bot token that says whose it is.
protection-no-secret = Protection does not work: the operators of this bot have to give it a secret of its own.
protection-owner-mode = Only the owner of the server can switch protection.
protection-owner-alerts = Only the owner of the server can say where alerts go.
protection-owner-trust = Only the owner of the server can trust somebody.
protection-owner-untrust = Only the owner of the server can end trust.
protection-owner-limits = Only the owner of the server can change limits.

incidents-title = Incidents
incidents-none = Nothing so far.
incidents-nobody = nobody known
incidents-line = { $when } { $who }: { $acts ->
    [one] { $acts } act
   *[other] { $acts } acts
}, { $state }
incident-state-dry-run = would have been stopped
incident-state-contained = stopped
incident-state-not-stopped = **not stopped**
incident-state-under-way = under way
incident-state-returned = given back
incident-state-closed = closed

limits-title = Limits: in a minute, an hour, a day
limits-heading = Limits
limits-any = any
limits-row = { $minute } / { $hour } / { $day }
limits-row-set = { $minute } / { $hour } / { $day } (set here)
limits-set = `{ $kind }`: { $minute } / { $hour } / { $day }.
limits-reset = `{ $kind }` has its default again.
limits-no-type = There is no limit of the type “{ $kind }”. See `/limits view`.

alert-title-deeds = { $stopped }: { $acts ->
    [one] { $acts } act
   *[other] { $acts } acts
} in { $seconds } s
alert-title-nobody = { $stopped }: { $acts ->
    [one] { $acts } act
   *[other] { $acts } acts
} by nobody knows whom
alert-title-webhook = { $stopped }: spam through a webhook
alert-title-token = Somebody else uses my token
alert-title-tamper = { $stopped }: an attack on the bot itself
alert-would-stop = Would have been stopped
alert-not-stopped = Not stopped
alert-over = Over
alert-stopped = Stopped
alert-under-attack = Under attack
alert-footer = Incident { $id }
alert-panic = **Panic**: dangerous permissions of all roles below me are off, invites are paused. They come back when you end it.
alert-panic-dry-run = It would have been a panic: all dangerous permissions off.
alert-lost = Lost for good: { $what }.
alert-by-hand = Only you can give back some permissions of { $roles }: I do not have them.
alert-stolen = Their account may be stolen: no roles back before they have a new password.
alert-token = Entries stand in the audit log in my name that I did not make. **Reset the bot's token now.**
alert-unattributed = The audit log names nobody, so nobody was punished: the permission that was used is off for all.
alert-nobody = Nobody was punished.
alert-more = { $who } and { $more } more
alert-dry-roles = { $who } would be without their roles now. This is a dry run: nothing was done. Switch protection on with `/protection mode`.
alert-dry-removed = { $who } would be removed from the server now. This is a dry run: nothing was done. Switch protection on with `/protection mode`.
alert-dry-banned = { $who } would be banned now. This is a dry run: nothing was done. Switch protection on with `/protection mode`.
alert-dry-held = { $who } would be without any permission now. This is a dry run: nothing was done. Switch protection on with `/protection mode`.
alert-unreachable = { $who }: I am not able to stop them, their role stands above mine or Discord refused. **Take their roles yourself now**, and move my role to the top.
alert-did-roles = { $who }: without their roles, { $seconds } s after the act that decided.
alert-did-removed = { $who }: removed from the server, { $seconds } s after the act that decided.
alert-did-banned = { $who }: banned, { $seconds } s after the act that decided.
alert-did-held = { $who }: without any permission, { $seconds } s after the act that decided.
alert-stopping = { $who }: being stopped.
alert-limit = { $count } { $kind } where { $limit } are normal.
alert-limit-together = { $count } { $kind } where { $limit } are normal, together.
alert-points = { $points } points of harm where { $limit } are normal.
alert-webhook-posts = { $posts ->
    [one] { $posts } message
   *[other] { $posts } messages
} at once through a webhook.
alert-went-on = They went on after they were stopped.
alert-own-rights = They gave themselves dangerous permissions.
alert-power-to-many = They gave dangerous permissions to many at once.
alert-tamper = They took rights from the bot, or moved it down.
alert-prune = They pruned members.
alert-vanity = They changed the vanity link.
alert-automod = They made an AutoMod rule that hits everybody.
alert-onboarding = They let onboarding give dangerous permissions.
alert-invite = They made an invite that gives dangerous permissions.
alert-freed = They freed somebody who had been stopped.
alert-self-token = Somebody else acts with the bot's token.
alert-new-bot = A new bot came with dangerous permissions: it is held.

loss-messages = messages
loss-memberships = memberships
loss-vanity = the vanity link
loss-ids = ids of roles
loss-webhooks = webhook addresses
loss-invites = invite codes
loss-subscribers = subscribers of events

button-contain = Stop them now
button-undo = Undo
button-fine = Not an attack
button-calm = End panic
button-panic = Panic
button-broken = This button is not from me.
button-owner-trusted-administrators = Only the owner, those they trust and administrators can do that.
button-owner-trusted = Only the owner and those they trust can do that.
button-too-old = That is too long ago for a button. See `/protection incidents`.
button-did-undo = Given back.
button-did-fine = Noted: it was no attack. What was taken is given back.
button-did-contain = They are being stopped.
button-did-panic = Panic: dangerous permissions are going off.
button-did-calm = The panic is over. Permissions come back.

notice-somebody = Somebody
notice-owner = { $who } owns this server and does what would be an attack by anybody else. If it is not you, your account is stolen.
notice-trusted = { $who } is trusted, and does more than is normal.
notice-blind = The audit log does not tell who does things here. I can take permissions, but hold nobody responsible. Does my role still have View Audit Log?
notice-timed-out = Somebody timed me out. I go on as far as Discord lets me.
notice-expelled = I was removed from your server. Add me again if that was not you; what I knew of it is kept.
notice-unexplained-power = { $who } had dangerous permissions that nobody gave. I took them back.
notice-bot-held = { $who } is a new bot with dangerous permissions. They are off until you give them.
notice-unread = I could not read the whole audit log: there was too much of it, or Discord did not answer. An attack may be larger than I say, or missing.
notice-in = In **{ $server }**:
