"""Raw text files: sources, archives, ranges of bytes, lines."""
