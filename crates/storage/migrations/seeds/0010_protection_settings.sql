-- A server of which only counts are known.
INSERT INTO protection_states (guild_id, state, updated_at) VALUES
    (-2, '{"highest":"7"}', ms(1700000000000));
