"""What is measured: scripts of their own, started by their path in an empty folder.

Each takes the address of the server and loads what it serves into `responses.duckdb`, schema
`benchmark`, in the folder that it is started in. dlt's working directories are where
`DLT_DATA_DIR` says.
"""
