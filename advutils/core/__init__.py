"""What every room stands on: device, precision, generators, memory, norms, checks of arguments, files."""
