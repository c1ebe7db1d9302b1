-- What the platform told of people, whoever they are. The twin for PostgreSQL has the same table and columns.

CREATE TABLE profiles (
    user_id INTEGER PRIMARY KEY,
    -- JSON, as the API shows it.
    profile TEXT NOT NULL,
    told_at INTEGER NOT NULL
) STRICT;

CREATE INDEX profiles_by_time ON profiles (told_at);
