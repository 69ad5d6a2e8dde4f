"""What tests share: servers, a client without a network, checks at the end of a session."""
