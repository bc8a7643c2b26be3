"""What a roster is: entities, words, tables."""
