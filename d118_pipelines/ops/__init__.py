"""Operating the project: command line, leases, alerts, checks of the installation."""
