"""The command line: one file a command, errors as one line with the fix, exit codes that scripts can use."""
