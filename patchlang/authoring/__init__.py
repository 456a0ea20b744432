"""Tools for who writes patches: from outcomes to a patch, a comparison with a hook, recipes, and an editor's help."""
