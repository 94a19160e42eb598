"""The loops that own threads and transactions: the writer, checkpoints, retention."""
