"""A page about the syncs of a bucket, made of their manifests: one HTML file that needs no network."""
