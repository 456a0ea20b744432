"""XPath: its text, its tree, its queries and matches, and messages for a path that does not match."""
