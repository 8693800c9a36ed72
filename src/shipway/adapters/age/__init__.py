"""Files that only the owner of a key can read, in the format of age."""
