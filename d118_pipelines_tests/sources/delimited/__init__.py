"""The one reader of delimited records."""
