"""A CloudQuery source plugin that lists what AWS offers: regions, networks, instance types, images, policies."""
