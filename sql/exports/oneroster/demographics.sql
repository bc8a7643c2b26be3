-- demographics.csv: of users with such a record, a birth date or a sex.
WITH texts AS (
  SELECT
    user_id,
    nullif(regexp_replace(
      left(nfc_normalize(COLUMNS([
        'country_of_birth_code', 'state_of_birth_abbreviation', 'city_of_birth',
        'public_school_residence_status'
      ])), 255),
      '^[\s\pC\pZ]+|[\s\pC\pZ]+$', '', 'g'
    ), '')
  FROM roster.demographics
)

SELECT
  k.sourced_id,
  k.kind,
  k.home,
  u.birth_date,
  CASE
    WHEN u.gender IN ('male', 'female')
      OR $version <> '1.1' AND (
        u.gender IN ('unspecified', 'other') OR regexp_full_match(u.gender, 'ext:.+')
      ) THEN u.gender
  END AS sex,
  d.american_indian_or_alaska_native,
  d.asian,
  d.black_or_african_american,
  d.native_hawaiian_or_other_pacific_islander,
  d.white,
  d.demographic_race_two_or_more_races,
  d.hispanic_or_latino_ethnicity,
  t.country_of_birth_code,
  t.state_of_birth_abbreviation,
  t.city_of_birth,
  t.public_school_residence_status,
  greatest(d.updated_at, u.updated_at) AS modified_at
FROM roster.users u
JOIN checked_users k ON k.id = u.id
LEFT JOIN roster.demographics d ON d.user_id = u.id
LEFT JOIN texts t ON t.user_id = u.id
WHERE k.is_in
  AND (d.user_id IS NOT NULL OR u.birth_date IS NOT NULL OR u.gender IS NOT NULL)
