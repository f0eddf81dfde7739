"""Files, tables, websites and questions as owners have them, each small and with a fault."""
