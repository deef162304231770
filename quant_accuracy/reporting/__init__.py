"""From an evaluation to what people read: a document, pages, tables, files."""
