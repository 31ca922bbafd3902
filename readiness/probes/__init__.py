"""Questions, one module per kind of thing asked."""
