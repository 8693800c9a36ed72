"""Templates of ApplicationSets: Go's `text/template` with sprig, and the older `{{name}}` form."""
