-- The host's time, never before the latest that was ever seen; a writer moves the mark.
-- $1 the host's time, $2 whether the mark moves
UPDATE installation SET clock_high_water = $1 WHERE $2 = 1 AND clock_high_water < $1;
SELECT max(clock_high_water, $1) AS now FROM installation
