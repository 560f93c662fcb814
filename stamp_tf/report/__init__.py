"""The figures of a run, as JSON, as a page and as rows."""
