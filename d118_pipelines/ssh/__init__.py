"""SSH connections that deliveries and sources share: host keys, logins, limits."""
