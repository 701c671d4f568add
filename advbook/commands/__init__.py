"""What the command ``advbook`` can do: a file a subject; :mod:`advbook.cli` puts them together."""
