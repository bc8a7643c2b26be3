"""Reading over HTTP: attempts, waiting, credentials, addresses."""
