"""OneRoster services on loopback, in order and out of order."""
