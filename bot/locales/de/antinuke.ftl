# Schutz: Befehle, Alarme und ihre Knöpfe.

protection-title = Schutz
protection-is-on = Der Schutz ist **an**: Angreifer werden aufgehalten.
protection-is-dry-run = Das ist ein **Probelauf**: Alles wird beurteilt und aufgeschrieben, nichts wird getan. Eingeschaltet wird der Schutz vom Besitzer mit `/protection mode`.
protection-is-off = Der Schutz ist **aus**.
protection-alerts-to = Alarme gehen nach { $channel }.
protection-no-alerts = Es gibt keinen Kanal für Alarme: Wähle einen mit `/protection alerts`.
protection-no-audit-log = Mir fehlt **Audit-Log einsehen**: Ohne das lässt sich niemand zur Verantwortung ziehen.
protection-coverage = Ich sehe { $seen } von { $all } Kanälen; was in den anderen mit Nachrichten und Webhooks geschieht, bleibt mir verborgen.
protection-trusted = Vertraut wird: { $who }.
protection-now-on = Der Schutz ist an.
protection-now-dry-run = Der Schutz beurteilt und schreibt auf, tut aber nichts.
protection-now-off = Der Schutz ist aus.
protection-channel-hidden = Diesen Kanal sehe ich nicht. Lass meine Rolle ihn sehen und dort schreiben.
protection-trusts = { $who } wird vertraut: Nichts davon wird aufgehalten.
protection-trusts-not = { $who } wird nicht vertraut.
protection-trusts-enough = Mehr als { $most } können es nicht sein.
protection-unreadable = Ich kann nicht lesen, was hier eingestellt war, deshalb ändere ich nichts. Bitte versuche es bald noch einmal.
protection-raced = Jemand hat es zur selben Zeit geändert. Bitte sieh nach und versuche es noch einmal.
protection-unknown-server = Ich lerne diesen Server gerade erst kennen. Bitte versuche es bald noch einmal.
protection-no-token = Der Schutz geht nicht: Es gibt kein Token, das sagt, zu welchem Bot es gehört.
protection-no-secret = Der Schutz geht nicht: Die Betreiber müssen dem Bot ein eigenes Geheimnis geben.
protection-owner-mode = Nur der Besitzer des Servers kann den Schutz schalten.
protection-owner-alerts = Nur der Besitzer des Servers kann sagen, wohin Alarme gehen.
protection-owner-trust = Nur der Besitzer des Servers kann jemandem vertrauen.
protection-owner-untrust = Nur der Besitzer des Servers kann Vertrauen beenden.
protection-owner-limits = Nur der Besitzer des Servers kann Grenzen ändern.

incidents-title = Vorfälle
incidents-none = Bisher nichts.
incidents-nobody = niemand Bekanntes
incidents-line = { $when } { $who }: { $acts ->
    [one] { $acts } Tat
   *[other] { $acts } Taten
}, { $state }
incident-state-dry-run = wäre aufgehalten worden
incident-state-contained = aufgehalten
incident-state-not-stopped = **nicht aufgehalten**
incident-state-under-way = läuft
incident-state-returned = zurückgegeben
incident-state-closed = abgeschlossen

limits-title = Grenzen: in einer Minute, einer Stunde, einem Tag
limits-heading = Grenzen
limits-any = beliebig
limits-row = { $minute } / { $hour } / { $day }
limits-row-set = { $minute } / { $hour } / { $day } (hier gesetzt)
limits-set = `{ $kind }`: { $minute } / { $hour } / { $day }.
limits-reset = `{ $kind }` hat wieder die Vorgabe.
limits-no-type = Eine Grenze der Art „{ $kind }“ gibt es nicht. Siehe `/limits view`.

alert-title-deeds = { $stopped }: { $acts ->
    [one] { $acts } Tat
   *[other] { $acts } Taten
} in { $seconds } s
alert-title-nobody = { $stopped }: { $acts ->
    [one] { $acts } Tat
   *[other] { $acts } Taten
}, niemand weiß von wem
alert-title-webhook = { $stopped }: Spam über einen Webhook
alert-title-token = Jemand anderes benutzt mein Token
alert-title-tamper = { $stopped }: ein Angriff auf den Bot selbst
alert-would-stop = Wäre aufgehalten worden
alert-not-stopped = Nicht aufgehalten
alert-over = Vorbei
alert-stopped = Aufgehalten
alert-under-attack = Angriff
alert-footer = Vorfall { $id }
alert-panic = **Panik**: Gefährliche Rechte aller Rollen unter mir sind aus, Einladungen ruhen. Sie kommen zurück, wenn du die Panik beendest.
alert-panic-dry-run = Es wäre eine Panik gewesen: alle gefährlichen Rechte aus.
alert-lost = Für immer verloren: { $what }.
alert-by-hand = Manche Rechte von { $roles } kannst nur du zurückgeben: Ich habe sie nicht.
alert-stolen = Das Konto ist vielleicht gestohlen: keine Rollen zurück, bevor es ein neues Passwort hat.
alert-token = Im Audit-Log stehen Einträge in meinem Namen, die nicht von mir sind. **Setze jetzt das Token des Bots zurück.**
alert-unattributed = Das Audit-Log nennt niemanden, also wurde niemand bestraft: Das benutzte Recht ist für alle aus.
alert-nobody = Niemand wurde bestraft.
alert-more = { $who } und { $more } weitere
alert-dry-roles = { $who }: jetzt ohne Rollen, wäre der Schutz an. Das ist ein Probelauf: Nichts wurde getan. Einschalten mit `/protection mode`.
alert-dry-removed = { $who }: jetzt vom Server entfernt, wäre der Schutz an. Das ist ein Probelauf: Nichts wurde getan. Einschalten mit `/protection mode`.
alert-dry-banned = { $who }: jetzt gebannt, wäre der Schutz an. Das ist ein Probelauf: Nichts wurde getan. Einschalten mit `/protection mode`.
alert-dry-held = { $who }: jetzt ohne jedes Recht, wäre der Schutz an. Das ist ein Probelauf: Nichts wurde getan. Einschalten mit `/protection mode`.
alert-unreachable = { $who }: Das kann ich nicht aufhalten, die Rolle steht über meiner oder Discord hat es abgelehnt. **Nimm ihnen jetzt selbst die Rollen**, und schiebe meine Rolle ganz nach oben.
alert-did-roles = { $who }: ohne Rollen, { $seconds } s nach der entscheidenden Tat.
alert-did-removed = { $who }: vom Server entfernt, { $seconds } s nach der entscheidenden Tat.
alert-did-banned = { $who }: gebannt, { $seconds } s nach der entscheidenden Tat.
alert-did-held = { $who }: ohne jedes Recht, { $seconds } s nach der entscheidenden Tat.
alert-stopping = { $who }: wird aufgehalten.
alert-limit = { $count } { $kind }, normal sind { $limit }.
alert-limit-together = { $count } { $kind } gemeinsam, normal sind { $limit }.
alert-points = { $points } Schadenspunkte, normal sind { $limit }.
alert-webhook-posts = { $posts ->
    [one] { $posts } Nachricht
   *[other] { $posts } Nachrichten
} auf einmal über einen Webhook.
alert-went-on = Danach ging es trotzdem weiter.
alert-own-rights = Sich selbst gefährliche Rechte gegeben.
alert-power-to-many = Vielen auf einmal gefährliche Rechte gegeben.
alert-tamper = Dem Bot Rechte genommen oder ihn nach unten geschoben.
alert-prune = Mitglieder ausgesiebt.
alert-vanity = Die eigene Adresse des Servers geändert.
alert-automod = Eine AutoMod-Regel gemacht, die alle trifft.
alert-onboarding = Das Onboarding gefährliche Rechte geben lassen.
alert-invite = Eine Einladung gemacht, die gefährliche Rechte gibt.
alert-freed = Jemanden befreit, der aufgehalten worden war.
alert-self-token = Jemand anderes handelt mit dem Token des Bots.
alert-new-bot = Ein neuer Bot kam mit gefährlichen Rechten: Er wird festgehalten.

loss-messages = Nachrichten
loss-memberships = Mitgliedschaften
loss-vanity = die eigene Adresse
loss-ids = Ids von Rollen
loss-webhooks = Adressen von Webhooks
loss-invites = Einladungscodes
loss-subscribers = Interessierte an Events

button-contain = Jetzt aufhalten
button-undo = Zurücknehmen
button-fine = Kein Angriff
button-calm = Panik beenden
button-panic = Panik
button-broken = Dieser Knopf ist nicht von mir.
button-owner-trusted-administrators = Das können nur der Besitzer, wem er vertraut und Administratoren.
button-owner-trusted = Das können nur der Besitzer und wem er vertraut.
button-too-old = Für einen Knopf ist das zu lange her. Siehe `/protection incidents`.
button-did-undo = Zurückgegeben.
button-did-fine = Notiert: Es war kein Angriff. Was genommen wurde, wird zurückgegeben.
button-did-contain = Wird aufgehalten.
button-did-panic = Panik: Gefährliche Rechte gehen aus.
button-did-calm = Die Panik ist vorbei. Die Rechte kommen zurück.

notice-somebody = Jemand
notice-owner = { $who } besitzt diesen Server und tut, was bei jedem anderen ein Angriff wäre. Wenn du das nicht bist, ist dein Konto gestohlen.
notice-trusted = { $who } wird vertraut und tut mehr als normal.
notice-blind = Das Audit-Log sagt nicht, wer hier handelt. Ich kann Rechte nehmen, aber niemanden zur Verantwortung ziehen. Hat meine Rolle noch „Audit-Log einsehen“?
notice-timed-out = Jemand hat mir einen Timeout gegeben. Ich mache weiter, so weit Discord mich lässt.
notice-expelled = Ich wurde von deinem Server entfernt. Hol mich zurück, wenn du das nicht warst; was ich von ihm wusste, bleibt.
notice-unexplained-power = { $who } hatte gefährliche Rechte, die niemand gegeben hat. Ich habe sie zurückgenommen.
notice-bot-held = { $who } ist ein neuer Bot mit gefährlichen Rechten. Sie sind aus, bis du sie gibst.
notice-unread = Ich konnte nicht das ganze Audit-Log lesen: Es war zu viel, oder Discord hat nicht geantwortet. Ein Angriff kann größer sein, als ich sage, oder fehlen.
notice-in = Auf **{ $server }**:
