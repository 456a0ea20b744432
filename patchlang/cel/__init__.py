"""CEL: its text, its tree, compiled expressions, and the templates that contain them."""
