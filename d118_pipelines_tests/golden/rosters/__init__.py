"""Golden rosters: four sources, what is expected of them, and how they are synced."""
