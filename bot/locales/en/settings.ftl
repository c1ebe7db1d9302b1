# Settings, modules, commands and who may use them.

changed-title = { $name }: change { $version }
changed-nothing = { $name }: as it was
changed-deleted = Deleted.
changed-others = Other entries that moved: { $others }.
changed-takes-back = `/perms undo { $version }` takes it back.
entries-none = Nothing is set yet. `/{ $setting } create` adds the first entry.
entries-foot = { $page }, entries: { $count }

check-may = You can run it.
modules-title = Modules
modules-on-always = `{ $id }`: on, always
modules-off-always = `{ $id }`: off, always
modules-on-default = `{ $id }`: on, by default
modules-off-default = `{ $id }`: off, by default
modules-on-here = `{ $id }`: on, set here
modules-off-here = `{ $id }`: off, set here

perms-title = Roles
perms-none = No role has custom permissions. `/perms modrole` gives it some.
perms-no-dot = { $item } is no permission: it needs a dot, as in `server_backups.create`.
changes-title = Changes
changes-none = There are no changes that you could see.
changes-undone = Change { $change } was taken back, which is change { $version }.
changes-line = **{ $version }** { $when } by { $who } ({ $way })
changes-line-undo = **{ $version }** { $when } by { $who } ({ $way }), takes back { $undone }
edit-made = made { $entry }
edit-deleted = deleted { $entry }
edit-changed = changed { $entry }
edit-nothing = nothing

export-done = The settings of this server. `/settings import` takes them back.
import-title = Nothing is changed yet
import-nothing = Everything is as the file says already.
import-change = Change { $count }
import-foot = Entries that would change: { $count }
import-other-server = This file is from another server.
import-closed = This is no longer open. Run `/settings import` again.
import-not = Nothing was done.
import-done = Entries changed: { $count }.
import-too-large = The file has more than { $bytes } bytes.
import-unread = The file could not be read from Discord.
import-no-text = The file is no text: it is not one from `/settings export`.
