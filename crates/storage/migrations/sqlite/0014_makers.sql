-- Tokens end with the token that made them, and Discord's tokens with the last session. The twin for
-- PostgreSQL has the same columns.

-- The token that made this one; one that a login made, or the operator, has none.
ALTER TABLE web_api_tokens ADD COLUMN maker TEXT REFERENCES web_api_tokens (id) ON DELETE CASCADE;
CREATE INDEX web_api_tokens_by_maker ON web_api_tokens (maker) WHERE maker IS NOT NULL;
CREATE INDEX users_by_grant ON users (updated_at) WHERE discord_grant IS NOT NULL;
