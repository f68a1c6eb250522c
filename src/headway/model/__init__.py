"""The nouns: frozen data, no I/O. Everybody may import them; they import nothing of Headway."""
