"""The slot protocol explored state by state, over the domain's own code, and the bugs planted to see that it bites."""
