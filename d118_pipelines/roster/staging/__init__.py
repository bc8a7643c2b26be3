"""From raw extracts to a staged roster."""
