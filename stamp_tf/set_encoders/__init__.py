"""set_encoders."""
