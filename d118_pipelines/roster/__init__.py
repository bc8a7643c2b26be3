"""The roster: its model, mapping, validation, matching, plan and store."""
