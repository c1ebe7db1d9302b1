# Einstellungen, Module, Befehle und wer sie benutzen darf.

changed-title = { $name }: Änderung { $version }
changed-nothing = { $name }: wie es war
changed-deleted = Gelöscht.
changed-others = Andere Einträge, die sich verschoben haben: { $others }.
changed-takes-back = `/{ command-perms } { command-perms-undo } { $version }` nimmt es zurück.
entries-none = Bisher ist nichts gesetzt. `/{ $setting } create` fügt den ersten Eintrag hinzu.
entries-foot = { $page }, Einträge: { $count }

check-may = Du darfst ihn ausführen.
modules-title = Module
modules-on-always = `{ $id }`: an, immer
modules-off-always = `{ $id }`: aus, immer
modules-on-default = `{ $id }`: an, als Vorgabe
modules-off-default = `{ $id }`: aus, als Vorgabe
modules-on-here = `{ $id }`: an, hier gesetzt
modules-off-here = `{ $id }`: aus, hier gesetzt

perms-title = Rollen
perms-none = Keine Rolle hat eigene Rechte des Bots. `/{ command-perms } { command-perms-modrole }` gibt ihr welche.
perms-no-dot = { $item } ist kein Recht: Es braucht einen Punkt, wie in `server_backups.create`.
changes-title = Änderungen
changes-none = Es gibt keine Änderungen, die du sehen darfst.
changes-undone = Änderung { $change } wurde zurückgenommen; das ist Änderung { $version }.
changes-line = **{ $version }** { $when } von { $who } ({ $way })
changes-line-undo = **{ $version }** { $when } von { $who } ({ $way }), nimmt { $undone } zurück
edit-made = neu: { $entry }
edit-deleted = gelöscht: { $entry }
edit-changed = geändert: { $entry }
edit-nothing = nichts

export-done = Die Einstellungen dieses Servers. `/{ command-settings } { command-settings-import }` nimmt sie wieder auf.
import-title = Noch ist nichts geändert
import-nothing = Alles ist schon so, wie die Datei sagt.
import-change = { $count } ändern
import-foot = Einträge, die sich ändern würden: { $count }
import-other-server = Diese Datei ist von einem anderen Server.
import-closed = Das ist nicht mehr offen. Benutze `/{ command-settings } { command-settings-import }` noch einmal.
import-not = Es wurde nichts getan.
import-done = Geänderte Einträge: { $count }.
import-too-large = Die Datei hat mehr als { $bytes } Bytes.
import-unread = Die Datei ließ sich nicht von Discord laden.
import-no-text = Die Datei ist kein Text: Sie ist nicht von `/{ command-settings } { command-settings-export }`.
