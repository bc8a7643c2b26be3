"""What the YAML files of a district say."""
