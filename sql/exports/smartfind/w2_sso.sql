-- W2SSO.csv: the single sign-on identity of every exported person.
-- Field 4 is a constant whose meaning the vendor does not publish.
SELECT
  users_dcid,
  'W' AS record_type,
  ledger_command('W', users_dcid, access_id) AS record_command,
  '2' AS record_number,
  '1' AS constant_4,
  access_id AS access,
  email AS sso_identifier
FROM exported
