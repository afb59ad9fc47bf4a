"""`aws-inventory serve`: what the CloudQuery CLI starts."""

from examples.aws_inventory.plugin import main

main()
