"""What is kept under ``.mlops/``: records in SQLite, artifacts as folders, digests of content."""
