-- Every renewal leaves two dead rows of itself, one of its attempt and one of its subscription: their states stand in
-- indexes, so that these updates cannot be HOT. By the server's own settings vacuum comes when a fifth of a table is dead,
-- which for a large one is months of them. The tables that every run writes to are visited after every fiftieth of
-- them; their statistics are as fresh.

ALTER TABLE subscriptions SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE renewals SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
ALTER TABLE attempts SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
-- Each delivery is changed once or twice, soon after it is written.
ALTER TABLE deliveries SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_analyze_scale_factor = 0.02);
