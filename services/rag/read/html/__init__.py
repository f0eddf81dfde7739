"""HTML: a page, its headings, tables, folded parts and data."""
