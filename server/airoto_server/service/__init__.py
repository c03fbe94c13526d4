"""gRPC methods: each converts, delegates, converts."""
