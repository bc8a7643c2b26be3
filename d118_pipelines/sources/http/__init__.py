"""Reading over HTTP with the promises that every source keeps; nothing of a provider."""
