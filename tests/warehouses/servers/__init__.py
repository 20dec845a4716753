"""Server wrappers; each runs in the environment of its emulator."""
