"""Services that deliver what is to be told: one file each, `send(fetch, settings, message)`."""
