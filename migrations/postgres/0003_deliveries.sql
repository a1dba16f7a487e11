-- Events on their way to the sinks: one row for each event and sink, so that a sink that is down neither holds back nor
-- repeats the others.

-- No version ever wrote or read these: what became of an event is told per sink below.
DROP INDEX events_pending;
COMMENT ON COLUMN events.delivery_state IS 'Not used: see deliveries.';
COMMENT ON COLUMN events.deliveries IS 'Not used: see deliveries.';
COMMENT ON COLUMN events.next_delivery_at IS 'Not used: see deliveries.';

CREATE TABLE outbox (
    event_id uuid PRIMARY KEY REFERENCES events (id) ON DELETE CASCADE
);
COMMENT ON TABLE outbox IS 'Events that were not handed to the sinks yet. Events from before this table was made are told to nobody.';
COMMENT ON COLUMN outbox.event_id IS 'Which.';

-- Every event, whoever writes it: no statement can forget the outbox.
CREATE FUNCTION renewd_post() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO outbox (event_id) SELECT id FROM told;
    RETURN NULL;
END
$$;
CREATE TRIGGER events_are_posted AFTER INSERT ON events
    REFERENCING NEW TABLE AS told
    FOR EACH STATEMENT EXECUTE FUNCTION renewd_post();

CREATE TABLE deliveries (
    sink text NOT NULL CHECK (sink <> ''),
    event_id uuid NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    subscription_id text,
    state text NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'dropped')),
    tries integer NOT NULL DEFAULT 0 CHECK (tries >= 0),
    next_try_at timestamptz,
    claim uuid,
    note text,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (sink, event_id),
    CONSTRAINT deliveries_tried_while_pending CHECK ((state = 'pending') = (next_try_at IS NOT NULL)),
    CONSTRAINT deliveries_claimed_while_pending CHECK (state = 'pending' OR claim IS NULL)
);
CREATE INDEX deliveries_next_try ON deliveries (sink, next_try_at, event_id) WHERE state = 'pending';
CREATE INDEX deliveries_in_order ON deliveries (sink, subscription_id, event_id) WHERE state = 'pending';
CREATE INDEX deliveries_left ON deliveries (state, event_id) WHERE state <> 'delivered';
CREATE INDEX deliveries_event ON deliveries (event_id);

COMMENT ON TABLE deliveries IS 'One event on its way to one sink.';
COMMENT ON COLUMN deliveries.sink IS 'log, webhook, slack or pagerduty.';
COMMENT ON COLUMN deliveries.event_id IS 'What is told.';
COMMENT ON COLUMN deliveries.subscription_id IS 'As on the event: of one subscription, a sink gets one event after the other.';
COMMENT ON COLUMN deliveries.state IS 'pending, delivered, dead (given up after too many tries; `renewd events replay` sends it again) or dropped (nobody is to be told).';
COMMENT ON COLUMN deliveries.tries IS 'How often sending was begun.';
COMMENT ON COLUMN deliveries.next_try_at IS 'When it is sent next; while a process sends it, when its claim is over. NULL once it is over.';
COMMENT ON COLUMN deliveries.claim IS 'Of the process that is sending it, or was when it ended.';
COMMENT ON COLUMN deliveries.note IS 'Why the last try failed, or why nobody is told. Never a secret.';
COMMENT ON COLUMN deliveries.created_at IS 'When the event was handed over.';
COMMENT ON COLUMN deliveries.updated_at IS 'When it last changed.';
