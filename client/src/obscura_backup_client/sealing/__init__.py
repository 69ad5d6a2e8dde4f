"""From password and payload to an encrypted backup, and back."""
