-- Turns the kill switch. Waits for claims that are about to commit: afterwards none follows.
-- $1 since when or NULL, $2 who, $3 why
UPDATE controls SET paused_at = $1::timestamptz, paused_by = $2::text, paused_reason = $3::text
