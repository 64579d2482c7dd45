"""One folder for each host: it re-lays out, names and registers, and holds no arithmetic."""
