# /setup, /health und die erste Nachricht auf einem Server.

greeting-title = Danke, dass du AntiRaid hinzugefügt hast
greeting-text = Ab jetzt wird alles beurteilt und aufgeschrieben, was nach einem Angriff auf **{ $server }** von innen aussieht, und noch nichts dagegen getan: Das ist ein Probelauf. Der Besitzer geht mit `/{ command-setup }` durch, was noch zu entscheiden ist, und sieht mit `/{ command-health }`, was nicht stimmt.

setup-title = Einrichten: { $step } ({ $number } von { $of })
setup-step-permissions = Was ich darf
setup-step-sight = Was ich sehe
setup-step-position = Wo meine Rolle steht
setup-step-alerts = Wohin Alarme gehen
setup-step-limits = Wie viel normal ist
setup-step-mode = Angriffe aufhalten
setup-go = Zu einem Schritt gehen
setup-again = Noch einmal prüfen
setup-next = Weiter
setup-pass = Ohne das weiter
setup-anew = Von vorn
setup-owner = Das kann nur der Besitzer des Servers ändern.
setup-not-yours = Das ist für den Besitzer und alle, die den Server verwalten dürfen.
setup-discord-forbids = Discord lässt mich das nicht tun: Mir fehlt das Recht. Siehe `/{ command-health }`.

setup-permissions-administrator = Ich habe **Administrator**, also fehlt mir nichts. Das ist mehr, als ich brauche: Wer mich in die Hand bekommt, bekommt alles. Du kannst es mir nehmen und geben, was meine Module verlangen; `/{ command-health }` sagt dann, ob etwas fehlt.
setup-permissions-done = Ich habe jedes Recht, das meine Module hier verlangen, und nicht Administrator.
setup-permissions = Für das, was hier an ist, fehlt mir:
setup-permissions-ways = *Fehlendes geben* bittet Discord um genau das, zusätzlich zu dem, was ich habe. *Lieber Administrator* gibt alles: Nichts kann fehlen und ich sehe jeden Kanal, aber wer mich in die Hand bekommt, bekommt alles. Nötig ist es nie.
setup-invite = Fehlendes geben
setup-invite-all = Lieber Administrator

setup-sight-done = Ich sehe alle { $channels } Kanäle.
setup-sight = { $hidden } von { $channels } Kanälen sind mir verborgen. Nichts darin wird gesichert, und was dort mit Nachrichten und Webhooks geschieht, lässt sich nicht aufhalten:
setup-sight-ways = Lass { $role } diese Kanäle oder ihre Kategorien sehen (Kanaleinstellungen, Berechtigungen). Was verborgen bleiben soll, darf es: Ich rühre es dann nie an.

setup-position-done = Keine Rolle über meiner kann Schaden anrichten.
setup-position = Wer eine dieser Rollen hat, kann Schaden anrichten, und ich kann es nicht aufhalten, weil sie über meiner stehen: { $roles }
setup-position-ways = Schiebe { $role } über sie: Servereinstellungen, Rollen. Das lässt Discord niemand anderen für dich tun.

setup-alerts = Wähle einen Kanal, den nur das Team lesen kann. Ist der Schutz an, hört der Besitzer von jedem Angriff auch unter vier Augen.
setup-alerts-none = Von Angriffen erfährt noch niemand.
setup-alerts-gone = Der Kanal für Alarme ist weg oder mir verborgen.
setup-alerts-mute = In { $channel } fehlt mir: { $permissions }.
setup-alerts-fine = Alarme gehen nach { $channel }.
setup-choose-channel = Kanal für Alarme wählen
setup-make-channel = Eigenen Kanal anlegen
setup-channel-name = antiraid-alarme
setup-channel-topic = Was AntiRaid aufgehalten hat oder hätte
setup-channel-reason = Der Besitzer hat eingerichtet, wohin Alarme gehen

setup-limits = Wie viel darf jemand in kurzer Zeit tun, bis es ein Angriff ist? Jede Art von Tat hat eine Grenze für eine Minute, eine Stunde und einen Tag, die mit dem Server wächst; `/{ command-limits }` zeigt und ändert jede. Die Vorgaben passen für die meisten Server.

setup-mode = In einem Probelauf siehst du einige Tage lang, wer aufgehalten würde, ohne dass etwas geschieht: `/{ command-incidents } { command-incidents-list }`. Du und ich werden nie aufgehalten; alle anderen können es werden, auch Administratoren.
setup-mode-on = Der Schutz ist **an**: Angreifer verlieren ihre Rollen, bevor der Rest weg ist.
setup-mode-dry-run = Das ist ein **Probelauf**: Angriffe werden aufgeschrieben und nicht aufgehalten.
setup-mode-off = Der Schutz ist **aus**: Nichts wird beurteilt.
setup-switch-on = Einschalten
setup-switch-dry-run = Probelauf

setup-end-title = Alles ist eingerichtet
setup-end-on = Der Schutz ist **an**.
setup-end-dry-run = Der Schutz läuft **zur Probe**: Sieh in einigen Tagen `/{ command-incidents } { command-incidents-list }` an und schalte ihn mit dem letzten Schritt ein.
setup-end-off = Der Schutz ist **aus**.
setup-end-passed = Weitergegangen bist du ohne: { $steps }.
setup-end-health = `/{ command-health }` sagt jederzeit, was nicht stimmt.

words-in-category = - In { $category }: { $channels }
words-more-channels = { $more ->
    [one] - und { $more } weiterer Kanal
   *[other] - und { $more } weitere Kanäle
}
words-more-roles = { $more ->
    [one] { $roles } und { $more } weitere
   *[other] { $roles } und { $more } weitere
}
words-own-role = meine Rolle

health-fine = Alles ist gut
health-advice = Alles ist gut, mit einem Rat
health-weak = Manches ist schwach
health-bad = Etwas stimmt nicht
health-nothing = Der Schutz ist an, Alarme kommen an, und ich sehe alle { $channels } Kanäle.
health-timed-out = Jemand hat mir einen Timeout gegeben. Bis er endet, kann ich niemanden aufhalten: Beende ihn in der Mitgliederliste.
health-off = Der Schutz ist **aus**: Angriffe werden weder gesehen noch aufgehalten.
health-no-audit-log = Mir fehlt **Audit-Log einsehen**, also weiß ich nicht, wer was tut: Niemand kann aufgehalten werden.
health-database = Meine Datenbank antwortet nicht. Ich mache mit dem weiter, was ich weiß, und was du jetzt änderst, hält vielleicht nicht.
health-alerts-gone = Alarme gehen nach { $channel }; der Kanal ist weg oder mir verborgen: Niemand erfährt von Angriffen.
health-alerts-mute = Alarme gehen nach { $channel }, dort fehlt mir { $permissions }: Niemand erfährt von Angriffen.
health-no-alerts = Es gibt keinen Kanal für Alarme.
health-dry-run = Der Schutz läuft **zur Probe**: Angriffe werden aufgeschrieben und nicht aufgehalten.
health-lacking =
    Mir fehlen Rechte, die meine Module hier verlangen:
    { $permissions }
health-role-too-low = Wer { $roles } hat, den kann ich nicht aufhalten: Schiebe { $role } über diese Rollen.
health-hidden =
    { $hidden } von { $channels } Kanälen sind mir verborgen; sie werden weder gesichert noch bewacht:
    { $list }
health-jobserver = Der Dienst für Sicherungen antwortet nicht. Angriffe aufzuhalten geht ohne ihn. Die Betreiber dieses Bots wissen es oder erfahren es bald.
health-shards = { $down } von { $all } meiner Verbindungen zu Discord sind unterbrochen; sie kommen von selbst wieder.
health-prune = Wer Mitglieder kicken darf, kann Tausende auf einmal aussieben. Verlange dafür Administrator, in den Sicherheitseinstellungen des Servers.
health-second-factor = Moderatoren brauchen keinen zweiten Faktor: Ein gestohlenes Passwort genügt. Verlange ihn in den Sicherheitseinstellungen des Servers.
health-speak = Lass mich dort schreiben
