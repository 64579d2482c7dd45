"""APEBench: its data, its metric and its networks, and waveliT in the same protocol."""
