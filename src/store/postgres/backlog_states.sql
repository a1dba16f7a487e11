-- Renewals by state, without the paid: they are all that was ever sold, and the index holds the others alone.
SELECT state, count(*) AS renewals FROM renewals WHERE state <> 'paid' GROUP BY state
