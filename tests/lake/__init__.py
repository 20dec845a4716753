"""The lake: every version of a record in files, and the present state that is made of them."""
