"""What was deployed, kept where Git is not needed to read it again."""
