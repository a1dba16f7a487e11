-- The first business date that was ever covered: nothing is a gap before it.
SELECT min(business_date) AS first_covered FROM coverage_runs WHERE covers
