"""How the sync API is asked, and how it answers."""
