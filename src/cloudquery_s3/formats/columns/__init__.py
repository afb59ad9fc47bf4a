"""What prepares the columns of a table for any format: Arrow arrays in, Arrow arrays out."""
