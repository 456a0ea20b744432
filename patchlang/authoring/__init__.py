"""Tools for authors of patches: derive a patch, compare it with a hook, start from a recipe, get help in an editor."""
