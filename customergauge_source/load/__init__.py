"""A load: package after package, one run at a time, and what is said of it."""
