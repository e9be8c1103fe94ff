"""What is said to a NATS server: the connection, JetStream's words, and messages stored, read and pulled."""
