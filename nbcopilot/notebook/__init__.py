"""What is there: notebook files, live shells, their outputs, names and dependencies. Reads only; writes nothing."""
