"""Keys, users and roles: who may call the service."""
