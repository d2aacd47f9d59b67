"""One module per job: read, call the library, write."""
