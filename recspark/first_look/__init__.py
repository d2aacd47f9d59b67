"""What unknown files are, and the settings that read them."""
