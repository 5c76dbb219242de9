"""What only the bundled mini model needs: its VAE, its transformer and text encoder, made from nothing."""
