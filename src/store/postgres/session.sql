-- Every connection, once. Times are UTC; waits are bounded; plans are made for the rows at hand, because a plan that was
-- cached while a table was empty made runs several times slower. Durability is raised to the default, never lowered.
SET timezone = 'UTC';
SET client_min_messages = error;
SET default_transaction_isolation = 'read committed';
SET statement_timeout = '60s';
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '60s';
SET plan_cache_mode = force_custom_plan;
SET jit = off;
-- Rows are wanted in an index's order, a few at a time: a bitmap would collect and sort all that are due.
SET enable_bitmapscan = off;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
