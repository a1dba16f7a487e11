-- What was fixed when the database was made.
SELECT payment_id_key, store_id, channel_type FROM installation
