"""Provisioning users to a service provider over SCIM 2.0; knows no roster."""
