"""Local stand-ins for the warehouses, and what is proven with them."""
