-- $1 from this business date on
SELECT business_date, covered, covered_by, runs, planned, paid, declined, failed, canceled, lapsed, no_billing_key,
    unknown, review
FROM coverage
WHERE business_date >= $1
ORDER BY business_date
