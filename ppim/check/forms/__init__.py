"""Text forms of command traces, one module a simulator; the folder is scanned."""
