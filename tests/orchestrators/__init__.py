"""The files for orchestrators, run by them."""
