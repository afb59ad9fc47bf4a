"""What a user can run and copy: spec files, a source plugin on real data, and the demo that ties them together."""
