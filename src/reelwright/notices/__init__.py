"""The notices room: what people are told once, by e-mail and by webhook, and sent until it arrives."""
