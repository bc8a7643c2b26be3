"""What every run has in common: its resource, its events, who may start it, its history."""
