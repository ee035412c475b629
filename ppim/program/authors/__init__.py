"""Programs in the text format of ProactivePIM's authors: their form, read, built into rings, written."""
