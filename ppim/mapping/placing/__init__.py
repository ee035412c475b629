"""What all mappings are made of: the units' geometry, a placement's arrays, spreading rows, finding a row."""
