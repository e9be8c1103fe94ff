"""The service: runs started, steered and followed over HTTP, by those who may."""
