"""What the worker processes of a parallel step run: scripts that need nothing but Python, and pandas to read tables."""
