-- Schedules of servers: what they keep, and what went wrong. The twin for SQLite has the same
-- columns.

ALTER TABLE schedules ADD COLUMN guild_id BIGINT;
-- So many of what it made are kept; absent: all.
ALTER TABLE schedules ADD COLUMN keep_count BIGINT CHECK (keep_count > 0);
-- What is older goes, but for the newest; absent: nothing.
ALTER TABLE schedules ADD COLUMN keep_days BIGINT CHECK (keep_days > 0);
-- The last task whose end was seen to.
ALTER TABLE schedules ADD COLUMN settled_task UUID;
-- What went wrong last, until somebody was told.
ALTER TABLE schedules ADD COLUMN trouble TEXT;
ALTER TABLE schedules ADD COLUMN trouble_at TIMESTAMPTZ;
-- The time of which somebody was told that nothing happened then.
ALTER TABLE schedules ADD COLUMN late_told TIMESTAMPTZ;

CREATE INDEX schedules_by_guild ON schedules (guild_id) WHERE guild_id IS NOT NULL;
CREATE INDEX schedules_unsettled ON schedules (schedule_id)
    WHERE last_task IS NOT NULL AND (settled_task IS NULL OR settled_task <> last_task);
CREATE INDEX schedules_troubled ON schedules (schedule_id) WHERE trouble_at IS NOT NULL;
