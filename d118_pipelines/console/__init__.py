"""The district console: sign-in, pages, JSON routes."""
