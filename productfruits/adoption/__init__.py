"""Tours and checklists. Pure: documents, events and times in; what shows, and why not, out."""
