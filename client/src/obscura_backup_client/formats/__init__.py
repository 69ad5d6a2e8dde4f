"""Other programs' files: address books and JSON exports."""
