-- Current staff (STATUS 1 at some building) without an e-mail address, ordered by person:
-- no other extract has them, so only this one tells a cleared e-mail from a leaver.
SELECT
  CAST(u.DCID AS NUMBER(18)) AS users_dcid
FROM USERS u
WHERE TRIM(u.EMAIL_ADDR) IS NULL
  AND EXISTS (
    SELECT 1 FROM SCHOOLSTAFF ss WHERE ss.USERS_DCID = u.DCID AND ss.STATUS = 1
  )
ORDER BY u.DCID
