-- $1 id, $2 status, $3 figures, $4 error, $5 finished
UPDATE runs SET status = $2::text, figures = $3::jsonb, error = $4::text, finished_at = $5::timestamptz
WHERE id = $1::uuid
