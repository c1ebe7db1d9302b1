-- Which cases take the place of each other, of which it is not known yet whether Discord took them, and
-- how often something was tried in vain.
ALTER TABLE cases ADD COLUMN line TEXT;
-- Until then whoever opened it finds out; NULL: it stands.
ALTER TABLE cases ADD COLUMN unsure_until TIMESTAMPTZ;
ALTER TABLE cases ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;

UPDATE cases SET line = CASE WHEN kind = 'timeout' THEN 'timeout' ELSE 'ban' END
WHERE kind IN ('ban', 'temp_ban', 'unban', 'timeout');

CREATE INDEX cases_unsure ON cases (unsure_until) WHERE unsure_until IS NOT NULL;
