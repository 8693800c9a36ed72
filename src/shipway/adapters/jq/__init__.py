"""jq expressions that users wrote, evaluated in a killable worker."""
