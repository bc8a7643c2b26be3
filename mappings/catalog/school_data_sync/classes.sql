SELECT * FROM sds_classes WHERE title IS NOT NULL
