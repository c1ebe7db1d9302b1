-- What is usual in servers, and the waves that came to them. The twin for PostgreSQL has the same tables
-- and columns.

CREATE TABLE raid_habits (
    guild_id   INTEGER PRIMARY KEY,
    habits     TEXT NOT NULL CHECK (json_valid(habits)),
    -- Something of a wave goes on, or stands in the server and is to be taken back.
    unsettled_at INTEGER,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE INDEX raid_habits_by_time ON raid_habits (updated_at);
CREATE INDEX raid_habits_unsettled ON raid_habits (unsettled_at) WHERE unsettled_at IS NOT NULL;

CREATE TABLE raid_waves (
    guild_id      INTEGER NOT NULL,
    -- A snowflake.
    wave_id       INTEGER NOT NULL,
    grade         TEXT NOT NULL,
    document      TEXT NOT NULL CHECK (json_valid(document)),
    -- The message that shows it.
    alert_channel INTEGER,
    alert_message INTEGER,
    updated_at    INTEGER NOT NULL,
    PRIMARY KEY (guild_id, wave_id)
) STRICT;

CREATE INDEX raid_waves_by_time ON raid_waves (updated_at);
