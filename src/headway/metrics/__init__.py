"""What samples say: increases in spite of resets, gaps, lateness and lies about time. Pure."""
