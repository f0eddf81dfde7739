"""An answer without a model: the sentences, rows and items that answer."""
