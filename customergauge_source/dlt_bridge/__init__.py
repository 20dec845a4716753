"""All that touches what dlt does not document, one small file a matter."""
