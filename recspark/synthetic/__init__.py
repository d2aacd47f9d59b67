"""Made-up Netflix-format data whose best reachable error is known."""
