"""`perdure cluster`: three servers and three workers on this machine, a load, and two kills that lose nothing."""
