"""The simulated Stripe, to which the unmodified stripe SDK talks: an account in which no money moves."""
