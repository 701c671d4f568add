"""The playground: networks of the book in the browser."""
