"""From a source at fixed git ids to objects: which tool, with which overrides, cached by content."""
