"""What a durable workflow run is: authoring, driving, deciding, performing."""
