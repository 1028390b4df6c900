"""How all machines learn."""
