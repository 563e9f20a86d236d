"""The styles in which a table is told as text, one file each."""
