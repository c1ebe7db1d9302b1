-- Also that a server itself has changed, and that a backup is late. The twin for SQLite has the same table
-- and columns, and makes the table anew with its indexes.

ALTER TABLE guild_events DROP CONSTRAINT guild_events_kind_check;
ALTER TABLE guild_events ADD CONSTRAINT guild_events_kind_check
CHECK (kind IN ('incident', 'job', 'approval', 'settings', 'guild', 'backup_late'));

DROP INDEX guild_events_by_guild;
DROP INDEX guild_events_by_time;
CREATE INDEX guild_events_by_guild ON guild_events (guild_id, seq);
CREATE INDEX guild_events_by_time ON guild_events (at);

CREATE FUNCTION note_structure() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
PERFORM note_guild_event(NEW.guild_id, 'guild',
(NEW.guild_id::numeric + CASE WHEN NEW.guild_id < 0 THEN 18446744073709551616 ELSE 0 END)::text, NULL);
RETURN NULL;
END
$$;

CREATE FUNCTION note_lateness() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
PERFORM note_guild_event(NEW.guild_id, 'backup_late', NEW.schedule_id::text, NULL);
RETURN NULL;
END
$$;

CREATE CONSTRAINT TRIGGER structures_that_begin AFTER INSERT ON structure_histories
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION note_structure();
CREATE CONSTRAINT TRIGGER structures_that_change AFTER UPDATE OF base, changes ON structure_histories
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.base IS DISTINCT FROM OLD.base OR NEW.changes IS DISTINCT FROM OLD.changes)
EXECUTE FUNCTION note_structure();
CREATE CONSTRAINT TRIGGER schedules_that_are_late AFTER UPDATE OF late_told ON schedules
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
WHEN (NEW.guild_id IS NOT NULL AND NEW.late_told IS NOT NULL AND NEW.late_told IS DISTINCT FROM OLD.late_told)
EXECUTE FUNCTION note_lateness();
