SELECT * FROM sds_people WHERE username IS NOT NULL
