"""The program builder: from a trace's accesses to instructions for PIM units."""
