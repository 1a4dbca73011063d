"""The checks of a generator and of a discriminator; most are the same for both."""
