-- The ops API: a run that a client starts twice is started once; renewals that are searched page by page.

-- The name under which a client asked for it: the same name starts no second run.
ALTER TABLE runs ADD COLUMN client_key TEXT CHECK (client_key <> '');
-- SHA-256, in hex, of what was asked for under that name.
ALTER TABLE runs ADD COLUMN client_asked TEXT CHECK ((client_key IS NULL) = (client_asked IS NULL));
CREATE UNIQUE INDEX runs_one_client_key ON runs (client_key) WHERE client_key IS NOT NULL;

-- Most renewals are paid: whoever looks for those finds them in the order of their ids.
CREATE INDEX renewals_by_state ON renewals (state, id) WHERE state <> 'paid';
CREATE INDEX renewals_by_date ON renewals (business_date, id);
