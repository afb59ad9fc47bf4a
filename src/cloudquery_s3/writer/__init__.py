"""Route rows to objects: which table, which object, when it ends, how much memory it may take."""
