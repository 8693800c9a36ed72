"""From a generator to entries: one file a kind of generator, and `expand` which knows them all."""
