"""What a backup holds: identity, contacts, profile; its encoding, edits and merge. No I/O."""
