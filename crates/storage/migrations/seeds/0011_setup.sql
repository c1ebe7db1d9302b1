-- A server that was greeted and whose owner went past one step.
INSERT INTO guild_greetings (guild_id, greeted_at) VALUES (1100000000001179648, ms(1700000000000));

INSERT INTO guild_setup_steps (guild_id, step, passed_at) VALUES
    (1100000000001179648, 'sight', ms(1700000000001));
