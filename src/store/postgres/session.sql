-- Every connection, once. Times are UTC; waits are bounded. Durability is raised to the default, never lowered.
SET timezone = 'UTC';
SET client_min_messages = error;
SET default_transaction_isolation = 'read committed';
SET statement_timeout = '60s';
SET lock_timeout = '5s';
SET idle_in_transaction_session_timeout = '60s';
SET jit = off;
-- Rows are wanted by their keys, or in an index's order, a few at a time: whatever would read all that is due, or all that
-- there is, to find a batch gets slower with every row. While tables are small, or nobody has counted them yet, the planner
-- would choose just that.
SET enable_bitmapscan = off;
SET enable_seqscan = off;
SET enable_hashjoin = off;
SET enable_mergejoin = off;
SET enable_material = off;
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off';
