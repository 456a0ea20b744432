"""What admits: policies that hold annotations to what was reviewed, and those that bring plugins into pods."""
