"""vCard 2.1, 3.0 and 4.0, as address books write them."""
