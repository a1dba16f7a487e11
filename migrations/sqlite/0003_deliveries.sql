-- Events on their way to the sinks: one row for each event and sink, so that a sink that is down neither holds back nor
-- repeats the others.

-- The columns delivery_state, deliveries and next_delivery_at of events are not used: no version ever wrote or read
-- them, and what became of an event is told per sink below.
DROP INDEX events_pending;

-- Events that were not handed to the sinks yet. Events from before this table was made are told to nobody.
CREATE TABLE outbox (
    -- Which.
    event_id TEXT PRIMARY KEY NOT NULL REFERENCES events (id) ON DELETE CASCADE
) STRICT;

-- Every event, whoever writes it: no statement can forget the outbox.
CREATE TRIGGER events_are_posted AFTER INSERT ON events
BEGIN
    INSERT INTO outbox (event_id) VALUES (NEW.id);
END;

-- One event on its way to one sink.
CREATE TABLE deliveries (
    -- log, webhook, slack or pagerduty.
    sink TEXT NOT NULL CHECK (sink <> ''),
    -- What is told.
    event_id TEXT NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    -- As on the event: of one subscription, a sink gets one event after the other.
    subscription_id TEXT,
    -- pending, delivered, dead (given up after too many tries; `renewd events replay` sends it again) or dropped (nobody
    -- is to be told).
    state TEXT NOT NULL CHECK (state IN ('pending', 'delivered', 'dead', 'dropped')),
    -- How often sending was begun.
    tries INTEGER NOT NULL DEFAULT 0 CHECK (tries >= 0),
    -- When it is sent next; while a process sends it, when its claim is over. NULL once it is over.
    next_try_at TEXT CHECK (next_try_at GLOB '????-??-??T??:??:??.??????Z'),
    -- Of the process that is sending it, or was when it ended.
    claim TEXT,
    -- Why the last try failed, or why nobody is told. Never a secret.
    note TEXT,
    -- When the event was handed over.
    created_at TEXT NOT NULL CHECK (created_at GLOB '????-??-??T??:??:??.??????Z'),
    -- When it last changed.
    updated_at TEXT NOT NULL CHECK (updated_at GLOB '????-??-??T??:??:??.??????Z'),
    PRIMARY KEY (sink, event_id),
    CONSTRAINT deliveries_tried_while_pending CHECK ((state = 'pending') = (next_try_at IS NOT NULL)),
    CONSTRAINT deliveries_claimed_while_pending CHECK (state = 'pending' OR claim IS NULL)
) STRICT;
CREATE INDEX deliveries_next_try ON deliveries (sink, next_try_at, event_id) WHERE state = 'pending';
CREATE INDEX deliveries_in_order ON deliveries (sink, subscription_id, event_id) WHERE state = 'pending';
CREATE INDEX deliveries_left ON deliveries (state, event_id) WHERE state <> 'delivered';
CREATE INDEX deliveries_event ON deliveries (event_id);
