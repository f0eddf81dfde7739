"""Tables of spreadsheets and CSV files: their names, rows and cells."""
