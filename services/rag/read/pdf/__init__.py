"""PDF: a document, its pages, the text of one."""
