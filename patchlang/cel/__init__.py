"""CEL: its text, its tree, its compiled expressions, and the templates that hold them."""
