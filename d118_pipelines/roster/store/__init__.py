"""From a plan into the database, and back."""
