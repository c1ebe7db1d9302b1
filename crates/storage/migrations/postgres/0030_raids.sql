-- What is usual in servers, and the waves that came to them. The twin for SQLite has the same tables and
-- columns.

CREATE TABLE raid_habits (
    guild_id   BIGINT PRIMARY KEY,
    habits     TEXT NOT NULL,
    -- Something of a wave goes on, or stands in the server and is to be taken back.
    unsettled_at TIMESTAMPTZ,
    updated_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX raid_habits_by_time ON raid_habits (updated_at);
CREATE INDEX raid_habits_unsettled ON raid_habits (unsettled_at) WHERE unsettled_at IS NOT NULL;

CREATE TABLE raid_waves (
    guild_id      BIGINT NOT NULL,
    -- A snowflake.
    wave_id       BIGINT NOT NULL,
    grade         TEXT NOT NULL,
    document      TEXT NOT NULL,
    -- The message that shows it.
    alert_channel BIGINT,
    alert_message BIGINT,
    updated_at    TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (guild_id, wave_id)
);

CREATE INDEX raid_waves_by_time ON raid_waves (updated_at);
