-- Renewals by state.
SELECT state, count(*) AS renewals FROM renewals GROUP BY state
