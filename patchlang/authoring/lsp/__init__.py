"""``patchlang lsp``: the language server. Nothing else here needs pygls, which comes with the extra ``lsp``."""
