"""When the processes of a streamed design move their tokens, and how deep its FIFOs must be."""
