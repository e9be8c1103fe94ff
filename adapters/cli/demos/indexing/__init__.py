"""The demo: a run over real input is killed half-way, started again, and shown to be whole."""
