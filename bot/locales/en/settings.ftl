# Settings, modules, commands and who may use them.

changed-title = { $name }: change { $version }
changed-nothing = { $name }: as it was
changed-deleted = Deleted.
changed-others = Other entries that moved: { $others }.
changed-takes-back = `/perms undo { $version }` takes it back.
entries-none = Nothing is set yet. `/{ $setting } create` adds the first entry.
entries-foot = { $page }, entries: { $count }
