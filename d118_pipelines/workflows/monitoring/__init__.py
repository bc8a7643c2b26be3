"""Seeing and hearing of it: all feeds at once, alerts, digest, health, webhooks."""
