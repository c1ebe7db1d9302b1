-- What the platform told of people, whoever they are. The twin for SQLite has the same table and columns.

CREATE TABLE profiles (
    user_id BIGINT PRIMARY KEY,
    -- JSON, as the API shows it.
    profile TEXT NOT NULL,
    told_at TIMESTAMPTZ NOT NULL
);

CREATE INDEX profiles_by_time ON profiles (told_at);
