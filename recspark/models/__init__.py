"""The embedding models, each an `nn.Module` in a short file."""
