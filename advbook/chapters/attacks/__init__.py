"""Attacks beside other libraries, and which networks are too sure for a gradient in float32."""
