-- How far servers have come with setting the bot up. The twin for SQLite has the same tables and
-- columns.

CREATE TABLE guild_greetings (
    guild_id   BIGINT PRIMARY KEY,
    greeted_at TIMESTAMPTZ NOT NULL
);

CREATE TABLE guild_setup_steps (
    guild_id  BIGINT NOT NULL,
    step      TEXT NOT NULL,
    passed_at TIMESTAMPTZ NOT NULL,
    PRIMARY KEY (guild_id, step)
);
