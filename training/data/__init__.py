"""The view-rich data engine: motions, people, cameras, pictures, captions and labels."""
