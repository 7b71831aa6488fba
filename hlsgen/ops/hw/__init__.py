"""Hardware operators: one Python file and one template per output language each."""
