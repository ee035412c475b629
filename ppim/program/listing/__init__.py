"""Programs in this project's own text format, `ppim-program`: all that the engine reads of one, a line an instruction."""
