-- How far servers have come with setting the bot up. The twin for PostgreSQL has the same tables and
-- columns.

CREATE TABLE guild_greetings (
    guild_id   INTEGER PRIMARY KEY,
    greeted_at INTEGER NOT NULL
) STRICT;

CREATE TABLE guild_setup_steps (
    guild_id  INTEGER NOT NULL,
    step      TEXT NOT NULL,
    passed_at INTEGER NOT NULL,
    PRIMARY KEY (guild_id, step)
) STRICT;
