-- Whether migrations were ever applied here.
SELECT to_regclass('_sqlx_migrations') IS NOT NULL AS found
