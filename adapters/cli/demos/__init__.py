"""Three plays on this machine: a kill, a service, a cluster."""
