"""What a file or a job gets wrong beyond its keys: one module a subject, each a function from a document to findings.

Documents may have any shape here: what has the wrong one was reported by the tables of keys, and is passed over.
"""
