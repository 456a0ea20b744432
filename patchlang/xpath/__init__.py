"""XPath: its text, its tree, its queries and matches, and what to say where a path does not match."""
