-- Somebody who has not been here for long.
INSERT INTO users (user_id, created_at, updated_at, discord_grant)
VALUES (1100000000000000024, ms(1600000000000), ms(1600000000000), x'01');
