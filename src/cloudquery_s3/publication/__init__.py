"""What readers of the bucket can trust: manifests of Writes, publications of whole syncs, and what reads them."""
