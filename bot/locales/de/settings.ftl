# Einstellungen, Module, Befehle und wer sie benutzen darf.

changed-title = { $name }: Änderung { $version }
changed-nothing = { $name }: wie es war
changed-deleted = Gelöscht.
changed-others = Andere Einträge, die sich verschoben haben: { $others }.
changed-takes-back = `/perms undo { $version }` nimmt es zurück.
entries-none = Bisher ist nichts gesetzt. `/{ $setting } create` fügt den ersten Eintrag hinzu.
entries-foot = { $page }, Einträge: { $count }
