# Help, statistics, a sign of life, and what is said around every command.

ping-title = Pong!
ping-gateway = Gateway
ping-unknown = not known yet
ping-sending = Sending

stats-title = Bot statistics
stats-name = Name
stats-version = Version
stats-rustc = rustc
stats-commit = Git commit
stats-uptime = Uptime
stats-cluster = Cluster
stats-cluster-value = { $name } ({ $id } of { $count })
stats-servers = Servers
stats-users = Users
stats-shards = Shards
stats-clusters = Clusters
stats-message = Commit message
stats-built = Built on
stats-profile = Cargo profile

help-unknown = There is no command “{ $name }”.
help-no-description = No description.
help-none = There are no commands.
help-parameters = Parameters
help-parameter = `{ $name }`: { $about }
help-optional = `{ $name }` (optional): { $about }
help-needs = What it needs, and why
help-foot = Page { $number } of { $pages }. Commands work with / and with { $prefix }
help-choose = Choose a module

page-not-yours = Only the person who ran the command can use these buttons.
page-previous = Previous
page-next = Next
page-cancel = Cancel
page-of = Page { $number } of { $pages }
press-busy = What you pressed before it is still being done. Please try again in a moment.
press-stale = This button is of another version of me and does nothing any more. Run the command again.

maintenance-support = Support: { $link }
maintenance-title = Under maintenance
maintenance-text = The bot is being worked on. Please come back in a while.
maintenance-updates = Updates
maintenance-updates-text = The support server says when the bot is back.
maintenance-statistics = Statistics
