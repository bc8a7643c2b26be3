"""From a staged roster to a plan."""
