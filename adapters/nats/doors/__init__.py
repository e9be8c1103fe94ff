"""Doors in NATS: any client in any language starts and steers runs by subjects and JSON."""
