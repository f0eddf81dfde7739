"""Word: a document, its numbering, its headers and footnotes."""
