"""The OneRoster CSV export."""
