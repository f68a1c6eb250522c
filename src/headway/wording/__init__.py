"""What people read: events as sentences, times and shares as words, hostile text harmless."""
