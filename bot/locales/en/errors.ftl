# What is said when a command fails.

error-title = The command failed
error-denied = You cannot run this command
error-broken = Something broke
error-panicked = This is a mistake in the bot. It was written down and will be looked at.
error-too-fast = Too fast
error-wait = Please wait { $seconds } s before you run this command again.
error-subcommands = This command has subcommands
error-choose = Choose one of: { $names }
error-bot-may-not = The bot may not do this
error-bot-lacks = The bot lacks these permissions here: { $permissions }
error-old-form = The command is out of date
error-reload = Discord still shows an older form of this command. Please reload Discord and try again.
error-option = An option cannot be used
error-input = This does not work
error-guarded = Others have to agree
error-job = The job was not started
error-code = Code
error-support = Support server

error-no-guild = This command only works in a server.
error-jobserver-away = The service that runs backups is not available right now. Please try again in a minute.
error-jobserver-failed = The service that runs backups could not take the job. Please try again later.
error-job-refused = The job was refused.
error-database = The database did not answer. Please try again in a minute.
error-service = This is a mistake in the bot. It was written down.
error-discord-refused = Discord did not allow it: { $reason }.
error-discord-failed = Discord did not answer as expected. Please try again.

denied-kittycat = You lack a custom permission that this command needs.
denied-native = You lack a Discord permission that this command needs.
denied-any = You need at least one of these permissions to run this command.
denied-none = You do not meet any of the conditions of this command.
denied-few = You do not meet enough of the conditions of this command.
denied-command-disabled = The command `{ $command }` is disabled in this server.
denied-unknown-module = The module `{ $module }` is not loaded.
denied-no-module = No module has this command.
denied-module-disabled = The module `{ $module }` is disabled in this server.
denied-operators = Only the operators of this bot can run this command.
denied-discord = Discord did not say who you are in this server. Please try again.
denied-unchecked = Your permissions could not be checked: { $reason }.
