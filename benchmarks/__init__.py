"""Speed and memory beside peers; ``make bench`` runs it, the book's page on attacks shows its records."""
